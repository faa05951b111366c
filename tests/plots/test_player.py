"""The player without a browser: frames, ids, alt texts, weight. (A browser moves its sliders in tests/book.)"""

import html
import json
import re

import pytest
import torch

from workbench import plots


def frame(k, scale=1.0):
    x = scale * torch.randn(300, 2, generator=torch.Generator().manual_seed(k))
    return plots.scatter(x, extent=5)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])


def test_frames_are_in_c_order_and_described():
    shown = plots.player(frame, {"seed": [1, 2, 3], "scale": [0.5, 1.0]}, alt="A cloud")
    page = shown.html()
    data = data_of(page)
    assert data["labels"] == [["1", "2", "3"], ["0.5", "1"]]
    assert len(data["frames"]) == len(data["alts"]) == 6
    assert data["alts"][3].startswith("A cloud. seed 2, scale 1: Scatter plot")
    assert data["frames"][0] is None, "the first frame is in the page already"
    assert f'alt="{html.escape(data["alts"][0])}"' in page
    assert page.count('type="range"') == 2
    for k in range(2):
        field = re.findall(r'<label for="([^"]+)"', page)[k]
        assert f'<input id="{field}"' in page
    assert 'aria-live="polite"' in page
    assert "http" not in page
    assert 'class="wb-controls" hidden' in page, "without JavaScript there is nothing to press"


def test_ids_are_deterministic_and_distinct():
    from workbench.plots import player as module

    page = plots.player([frame(1), frame(2)], {"seed": [1, 2]})
    module_shown = __import__("sys").modules["workbench.plots.player"]._shown
    assert module is plots.player
    module_shown.clear()
    first, second = (re.search(r'id="(wb-[^"]+)"', page.html())[1] for _ in range(2))
    assert first != second
    module_shown.clear()
    again = plots.player([frame(1), frame(2)], {"seed": [1, 2]})
    assert re.search(r'id="(wb-[^"]+)"', again.html())[1] == first
    other = plots.player([frame(1), frame(3)], {"seed": [1, 2]})
    assert re.search(r'id="(wb-[^"]+)"', other.html())[1] not in (first, second)


def test_twenty_frames_stay_light():
    n = torch.tensor([5.0, 10, 20, 40])
    frames = [plots.convergence({"DDIM": (n, k / n), "UniPC": (n, k / n**2)}) for k in range(1, 21)]
    assert len(plots.player(frames, {"k": list(range(20))}).html()) < 600_000


def test_heavy_frames_are_compressed():
    rng = torch.Generator().manual_seed(0)
    blurred = [torch.rand(16, 3, 4, 4, generator=rng) * 2 - 1 for _ in range(8)]
    frames = [plots.images(torch.nn.functional.interpolate(x, size=64, mode="bilinear")) for x in blurred]
    small = plots.player(frames, {"k": list(range(8))})
    assert small.nbytes < 0.5 * sum(len(one.png()) for one in frames)
    assert {mime for mime, _ in small.images} == {"image/webp"}


def test_image_player_keeps_every_pixel():
    import base64
    import io

    import numpy as np
    from PIL import Image

    x = torch.tensor([[-1.0, 0.0], [1.0, 3.0]]).expand(2, 3, 2, 2)
    shown = plots.image_player([x, -x], {"rank": [1, 2]}, zoom=10)
    assert "2 pictures, 2 by 2 pixels each, 1 row of up to 2." in shown.alts[0]
    assert "2 rows of up to 1." in plots.image_player([x], {"rank": [1]}, columns=1).alts[0]
    page = shown.html()
    assert "image-rendering:pixelated" in page
    assert 'width="50" height="20"' in page
    content = base64.b64decode(re.search(r'<img src="data:image/png;base64,([^"]+)"', page)[1])
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert picture[:, :2, 0].tolist() == [[0, 128], [255, 255]]
    assert "25 percent of the values clipped" in shown.alts[0]


def test_text_cannot_end_the_script():
    shown = plots.player([frame(1)], {"</script><b>": ["</script>"]})
    page = shown.html()
    assert page.count("</script>") == 2
    assert data_of(page)["labels"] == [["</script>"]]


def test_play_button_only_when_asked():
    assert 'class="wb-play"' not in plots.player([frame(1)], {"seed": [1]}).html()
    page = plots.player([frame(1)], {"seed": [1]}, play=True).html()
    assert 'class="wb-play"' in page
    assert "prefers-reduced-motion" in page


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.player([frame(1)], {"seed": [1, 2]}), "need 2"),
        (lambda: plots.player([frame(1)], {}), "at least one name"),
        (lambda: plots.player([frame(1)], {"seed": []}), "at least one name"),
        (lambda: plots.player([frame(1), frame(2)], {"s": [1, 2]}, alt=["only one text"]), "give one for each"),
        (lambda: plots.player([frame(1), plots.clouds(torch.zeros(2, 2))], {"s": [1, 2]}), "different sizes"),
        (lambda: plots.image_player([torch.zeros(1, 3, 2, 2)], {"s": [1]}, zoom=0), "at least 1"),
    ],
)
def test_bad_frames_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_frames_must_be_plots():
    with pytest.raises(TypeError, match="each frame is a Plot"):
        plots.player(lambda k: k, {"s": [1]})


def test_readings_follow_the_frames_and_are_spoken():
    x = torch.zeros(1, 3, 2, 2)
    shown = plots.image_player([x, -x], {"n": [9, 4]}, readings={"price": [(1.0, "9 of 9"), (4 / 9, "4 <of> 9")]})
    page, data = shown.html(), data_of(shown.html())
    assert data["readings"] == [[[1.0, "9 of 9"], [4 / 9, "4 <of> 9"]]]
    assert 'style="width:100.0%"' in page and ">9 of 9<" in page
    assert shown.alts[1].endswith("price: 4 <of> 9.")
    assert "readings" not in data_of(plots.image_player([x], {"n": [1]}).html())
    with pytest.raises(ValueError, match="got 1 for 2 frames"):
        plots.image_player([x, x], {"n": [1, 2]}, readings={"price": [(1.0, "all")]})
    with pytest.raises(ValueError, match="not finite"):
        plots.image_player([x], {"n": [1]}, readings={"price": [(float("nan"), "?")]})
