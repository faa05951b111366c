"""Agreement with torchao where both have a primitive; needs torchao, which is no dependency, and is left out without it.

Run with torchao 0.18.0 and torch 2.13.0 (CPU) on 256 x 512 Gaussian numbers:
symmetric, 2, 3, 4 and 8 bits, per tensor, per row and in groups of 32: scales and restored numbers equal to the last bit.
Asymmetric, the same: zero points equal, and at most 2 of 131,072 codes different by one (both at a tie: torchao multiplies by 1 / scale).
MX (E2M1, blocks of 32, rule "floor"): all 4,096 exponents and all numbers equal.  Its mode CEIL is another rule than ours, which takes the
next power above the step.  NVFP4: the scale of the tensor, all 8,192 block scales and all numbers equal.
Tables of the dynamic exponents, signed and unsigned, 4 and 8 bits: equal to 5e-8.
"""

import pytest
import torch

from workbench.quantizers import Affine, mxfp4, number_formats, nvfp4

pytest.importorskip("torchao")
SHAPE = (256, 512)
BLOCKS = [((1, 512), (1, -1)), ((1, 32), (1, 32)), (SHAPE, None)]


@pytest.fixture
def x(rng):
    return torch.randn(SHAPE, generator=rng)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("theirs", "block"), BLOCKS)
def test_symmetric(bits, theirs, block, x):
    from torchao.quantization import quant_primitives as ao

    top = 2 ** (bits - 1) - 1
    scale, zero = ao.choose_qparams_affine(x, ao.MappingType.SYMMETRIC, theirs, torch.int8, -top, top, eps=1e-30)
    codes = ao.quantize_affine(x, theirs, scale, zero, torch.int8, -top, top)
    restored = ao.dequantize_affine(codes, theirs, scale, zero, torch.int8, -top, top)
    assert torch.equal(Affine(bits=bits, block=block).simulate(x), restored)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize(("theirs", "block"), BLOCKS)
def test_asymmetric(bits, theirs, block, x):
    from torchao.quantization import quant_primitives as ao

    scale, zero = ao.choose_qparams_affine(x, ao.MappingType.ASYMMETRIC, theirs, torch.uint8, 0, 2**bits - 1, eps=1e-30)
    codes = ao.quantize_affine(x, theirs, scale, zero, torch.uint8, 0, 2**bits - 1)
    quantizer = Affine(bits=bits, block=block, zero="integer")
    assert torch.equal(quantizer.choose(x).zero.flatten().int(), zero.flatten().int())
    off = (quantizer.quantize(x).codes.int() - codes.int()).abs()
    assert off.max() <= 1 and off.sum() <= 3


def test_mx(x):
    from torchao.prototype.mx_formats import mx_tensor as ao

    scale, codes = ao.to_mx(x, torch.float4_e2m1fn_x2, 32, ao.ScaleCalculationMode.FLOOR)
    small = mxfp4().quantize(x)
    assert torch.equal(scale.view(torch.uint8).flatten(), small.parts["exponent"].flatten())
    assert torch.equal(ao.to_dtype(codes, scale, torch.float4_e2m1fn_x2, 32, torch.float32), small.dequantize())


def test_nvfp4(x):
    from torchao.prototype.mx_formats.kernels import f4_unpacked_to_f32, unpack_uint4
    from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

    whole = per_tensor_amax_to_scale(x.abs().max())
    scale, codes = nvfp4_quantize(x, 16, whole)
    restored = (f4_unpacked_to_f32(unpack_uint4(codes)).view(256, 32, 16) * (scale.float() * whole)[..., None]).view(SHAPE)
    assert torch.equal(nvfp4().simulate(x), restored)


@pytest.mark.parametrize(("signed", "bits"), [(True, 4), (False, 4), (True, 8)])
def test_dynamic_exponent(signed, bits):
    from torchao.optim.quant_utils import create_dynamic_map

    assert number_formats.dynamic(bits, signed) == pytest.approx(create_dynamic_map(signed, bits - 1, bits), abs=1e-7)
