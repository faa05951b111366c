"""Covariances as spectra: everything a Gaussian law needs is a function of eigenvalues.

Scores, denoisers, flows, likelihoods and samples of N(mu, Sigma) are all  f(Sigma) x = U f(Lambda) U^T x  for some scalar f, so a
covariance here is its eigenvalues and a cheap way in and out of its eigenbasis.  Three kinds, one interface:

    Dense(matrix)                     U from one eigendecomposition
    Diagonal(variances)               U = I
    LowRank(vectors, values, floor)   Sigma = U diag(values) U^T + floor (I - U U^T):  ``values`` are the whole variances along the
                                      columns of U (nothing is added to them); every other direction has variance ``floor``

For a low rank r the work is 2 d r multiplications a sample, and no d x d matrix exists: this is the Woodbury identity, written in
the eigenbasis.  Eigenvalues and weights are float64 on the CPU; vectors are cast once for each (dtype, device).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Spectral = Callable[[Tensor], Tensor]


class Covariance:
    """A symmetric positive semi-definite matrix, known by its spectrum.  Base of the three kinds; not made directly.

    Attributes:
        spectrum: (slots,) the eigenvalues, float64; of ``LowRank`` the r values, then the floor once.
        multiplicity: (slots,) how many dimensions each slot stands for.
    """

    spectrum: Tensor
    multiplicity: Tensor
    vectors: Tensor | None
    has_floor: bool

    def _set(self, spectrum: Tensor, vectors: Tensor | None, dim: int, casts: dict | None = None) -> None:
        multiplicity = torch.ones_like(spectrum)
        has_floor = vectors is not None and vectors.shape[1] < dim
        if has_floor:
            multiplicity[-1] = dim - vectors.shape[1]
        for name, value in (
            ("spectrum", spectrum),
            ("multiplicity", multiplicity),
            ("vectors", vectors),
            ("has_floor", has_floor),
            ("_casts", {} if casts is None else casts),
        ):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value) -> None:
        raise AttributeError(f"a covariance cannot be changed ({name} was to be set); make a new one, e.g. with map")

    def __repr__(self) -> str:
        low, high = float(self.spectrum.min()), float(self.spectrum.max())
        return f"{type(self).__name__}(dim={self.dim}, rank={self.rank}, eigenvalues {low:.3g} to {high:.3g})"

    @property
    def dim(self) -> int:
        """d, the number of dimensions."""
        return int(self.multiplicity.sum())

    @property
    def rank(self) -> int:
        """How many directions have an eigenvalue of their own (d unless low rank)."""
        return len(self.spectrum) - self.has_floor

    @property
    def floor(self) -> float:
        """The variance of every direction outside the vectors (the smallest eigenvalue where there is none)."""
        return float(self.spectrum[-1] if self.has_floor else self.spectrum.min())

    def apply(self, f: Spectral, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """f(Sigma) x.

        ``f`` maps the (slots,) float64 eigenvalues to weights of shape (slots,), or (\\*batch, slots) for other weights for each
        sample.
        """
        return self.weigh(f(self.spectrum), x)

    def weigh(self, weights: Tensor, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """:meth:`apply` with the weights already computed, (slots,) or (\\*batch, slots)."""
        weights = cast_weights(weights, x)
        if self.vectors is None:
            return weights * x
        basis = self.basis(x)
        if not self.has_floor:
            return (weights * (x @ basis)) @ basis.T
        rest = weights[..., -1:]
        return rest * x + ((weights[..., :-1] - rest) * (x @ basis)) @ basis.T

    def quadratic(self, f: Spectral, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """x^T f(Sigma) x, the residual outside the vectors taken explicitly so that nothing cancels."""
        weights = cast_weights(f(self.spectrum), x)
        if self.vectors is None:
            return (weights * x.square()).sum(-1)
        basis = self.basis(x)
        inside = x @ basis
        if not self.has_floor:
            return (weights * inside.square()).sum(-1)
        outside = (x - inside @ basis.T).square().sum(-1)
        return (weights[..., :-1] * inside.square()).sum(-1) + weights[..., -1] * outside

    def sum(self, f: Spectral) -> Tensor:
        """tr f(Sigma), multiplicities counted: () or, for weights of each sample, (batch,).  f = log gives the log-determinant."""
        return (self.multiplicity * f(self.spectrum)).sum(-1)

    def map(self, f: Spectral) -> "Covariance":
        """The covariance f(Sigma), in the same basis."""
        new = object.__new__(type(self))
        new._set(f(self.spectrum), self.vectors, self.dim, self._casts)
        return new

    def matrix(self) -> Float[Tensor, "dim dim"]:
        """The d x d matrix, float64; for small d."""
        return self.apply(lambda values: values, torch.eye(self.dim, dtype=torch.float64))

    def basis(self, x: Tensor) -> Tensor:
        """The vectors in the dtype and on the device of ``x``, cast the first time."""
        key = (x.dtype, x.device)
        if (known := self._casts.get(key)) is None:
            with torch.inference_mode(False):
                known = self._casts[key] = lasting(self.vectors.to(x))
        return known


class Dense(Covariance):
    """Sigma = ``matrix`` (d, d), diagonalized once.

    Raises:
        TypeError: for anything but a floating-point tensor.
        ValueError: unless square, finite, symmetric to 1e-5 of its largest entry, and positive semi-definite: eigenvalues down to
            -10 d eps lambda_max (eps of the dtype given) are rounding and become 0, lower ones are refused.
    """

    def __init__(self, matrix: Tensor) -> None:
        wide = _checked("Dense needs a (d, d) matrix", matrix)
        if wide.ndim != 2 or wide.shape[0] != wide.shape[1]:
            raise ValueError(f"Dense needs a square (d, d) matrix, got shape {tuple(wide.shape)}; use Diagonal for variances")
        largest = float(wide.abs().max())
        gap = float((wide - wide.T).abs().max())
        if gap > 1e-5 * largest:
            raise ValueError(
                f"Dense needs a symmetric matrix, got |A - A^T| up to {gap:.3g} with entries up to {largest:.3g}; "
                "use (A + A.T) / 2 if that is what you mean"
            )
        values, vectors = torch.linalg.eigh((wide + wide.T) / 2)
        tolerance = 10 * len(wide) * torch.finfo(matrix.dtype).eps * float(values.abs().max())
        if float(values[0]) < -tolerance:
            raise ValueError(
                f"Dense needs a positive semi-definite matrix, got the eigenvalue {float(values[0]):.6g} (rounding explains "
                f"{-tolerance:.3g}); a covariance has no negative variances: check how it was estimated"
            )
        self._set(values.clamp(min=0), vectors, len(wide))


class Diagonal(Covariance):
    """Sigma = diag(``variances``), (d,).

    Raises:
        TypeError: for anything but a floating-point tensor.
        ValueError: for another shape, or variances that are negative or not finite.
    """

    def __init__(self, variances: Tensor) -> None:
        wide = _checked("Diagonal needs (d,) variances", variances)
        if wide.ndim != 1:
            raise ValueError(f"Diagonal needs (d,) variances, got shape {tuple(wide.shape)}; flatten images first")
        _not_negative("Diagonal", wide)
        self._set(wide, None, len(wide))

    @classmethod
    def isotropic(cls, dim: int, variance: float | int) -> "Diagonal":
        """variance * I; variance 0 is a point."""
        return cls(torch.full((dim,), float(variance), dtype=torch.float64))


class LowRank(Covariance):
    """Sigma = U diag(``values``) U^T + ``floor`` (I - U U^T),  U = ``vectors`` (d, r) with orthonormal columns.

    ``values`` (r,) are whole variances, not additions to the floor: with values = floor the covariance is floor * I.

    Raises:
        TypeError: for anything but floating-point tensors.
        ValueError: for shapes that do not match, columns not orthonormal to 1e-4, values or a floor negative or not finite.
    """

    def __init__(self, vectors: Tensor, values: Tensor, floor: float | int = 0.0) -> None:
        basis = _checked("LowRank needs (d, r) vectors", vectors)
        wide = _checked("LowRank needs (r,) values", values)
        if basis.ndim != 2 or wide.shape != basis.shape[1:] or basis.shape[1] > basis.shape[0]:
            raise ValueError(
                f"LowRank needs vectors (d, r) with r <= d and values (r,), got {tuple(basis.shape)} and {tuple(wide.shape)}"
            )
        _not_negative("LowRank", wide)
        if not 0 <= float(floor) < float("inf"):
            raise ValueError(f"LowRank needs a finite floor >= 0, got {floor}; it is the variance left in every other direction")
        gap = float((basis.T @ basis - torch.eye(len(wide), dtype=torch.float64)).abs().max())
        if gap > 1e-4:
            raise ValueError(
                f"LowRank needs orthonormal columns, got |U^T U - I| up to {gap:.3g}; orthonormalize with torch.linalg.qr(vectors).Q"
            )
        last = torch.tensor([float(floor)], dtype=torch.float64)
        self._set(torch.cat([wide, last]) if basis.shape[1] < basis.shape[0] else wide, basis, len(basis))


def lasting(tensor: Tensor) -> Tensor:
    """The constant behind a tensor that a ``torch.func`` transform has wrapped: what is remembered must outlive the transform."""
    return torch.func.debug_unwrap(tensor)


def as_covariance(value: Covariance | Tensor | float | int, dim: int) -> Covariance:
    """A Covariance as it is; (d, d) becomes Dense, (d,) Diagonal, a number variance * I.  Checked to have ``dim`` dimensions."""
    if isinstance(value, (int, float)):
        value = torch.full((dim,), float(value), dtype=torch.float64)
    if isinstance(value, Tensor):
        value = Diagonal(value) if value.ndim == 1 else Dense(value)
    if not isinstance(value, Covariance):
        raise TypeError(f"a covariance is a Covariance, a (d, d) or (d,) tensor, or a number; got {type(value).__name__}")
    if value.dim != dim:
        raise ValueError(f"the covariance has {value.dim} dimensions, the mean has {dim}; they must be equal")
    return value


def cast_weights(weights: Tensor, x: Tensor) -> Tensor:
    """Weights in the dtype and on the device of ``x``; beyond its range they saturate, so that inf * 0 cannot arise."""
    if weights.dtype == x.dtype and weights.device == x.device:
        return weights
    largest = torch.finfo(x.dtype).max
    return weights.clamp(-largest, largest).to(x)


def _checked(needs: str, value: Tensor) -> Tensor:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        got = f"dtype {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{needs} as a floating-point tensor, got {got}")
    if not value.numel() or not bool(value.isfinite().all()):
        raise ValueError(f"{needs} with finite entries, got shape {tuple(value.shape)} with some that are not, or none")
    return value.detach().to("cpu").to(torch.float64)


def _not_negative(kind: str, values: Tensor) -> None:
    if bool((values < 0).any()):
        raise ValueError(f"{kind} needs variances >= 0, got {float(values.min()):.6g}; standard deviations must be squared")
