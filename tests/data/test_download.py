"""Downloads resume, verify, and never leave a target that is not the promised file."""

import socket
from dataclasses import replace

import pytest
from tiny_cifar import plain_members, spec_for, tar_gz

from workbench.data import ArchiveError, DownloadError
from workbench.data.download import download

CONTENT = tar_gz(plain_members())
HALF = len(CONTENT) // 2


def get(site, root, spec=None):
    return download(replace(spec or spec_for(CONTENT), url=site.url), root, progress=False)


def names(root):
    return sorted(path.name for path in root.iterdir())


def test_a_good_server_is_asked_once(serve, tmp_path):
    site = serve(CONTENT)
    target = get(site, tmp_path)
    assert target.read_bytes() == CONTENT
    assert site.requests == [None]
    assert names(tmp_path) == ["tiny.tar.gz"]
    assert get(site, tmp_path) == target
    assert len(site.requests) == 1


def test_a_cut_connection_is_resumed_in_the_same_call(serve, tmp_path):
    site = serve(CONTENT, cut_after=[HALF, 100])
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == [None, f"bytes={HALF}-", f"bytes={HALF + 100}-"]


def test_a_later_call_resumes_what_an_earlier_one_left(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT[:1000])
    site = serve(CONTENT)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == ["bytes=1000-"]


def test_a_complete_part_needs_no_network(tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT)
    assert download(spec_for(CONTENT), tmp_path, progress=False).read_bytes() == CONTENT


def test_a_server_without_range_sends_everything_again(serve, tmp_path):
    site = serve(CONTENT, ranges=False, cut_after=[HALF])
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == [None, f"bytes={HALF}-"]


def test_a_part_of_another_file_is_noticed_and_thrown_away(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(b"x" * 1000)
    site = serve(CONTENT)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == ["bytes=1000-", None]


def test_a_server_that_answers_another_range_is_not_believed(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT[:1000])
    site = serve(CONTENT, shift=7)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == ["bytes=1000-", None]


def test_a_part_longer_than_the_servers_file_is_thrown_away(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT[:-1])
    site = serve(CONTENT[:100])
    with pytest.raises(DownloadError, match=r"416.* 100 bytes are kept"):
        get(site, tmp_path)


def test_a_part_longer_than_the_promised_file_is_thrown_away(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT + b"!")
    site = serve(CONTENT)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.requests == [None]


def test_a_truncated_file_is_kept_as_a_part_only(serve, tmp_path):
    site = serve(CONTENT[:HALF])
    with pytest.raises(DownloadError, match=f"{HALF} bytes are kept in tiny.tar.gz.part; calling again resumes"):
        get(site, tmp_path)
    assert names(tmp_path) == ["tiny.tar.gz.part"]
    assert get(serve(CONTENT), tmp_path).read_bytes() == CONTENT


def test_corruption_is_refused_and_nothing_is_kept(serve, tmp_path):
    bad = bytearray(CONTENT)
    bad[HALF] ^= 1
    with pytest.raises(ArchiveError, match=f"it must be {spec_for(CONTENT).md5}"):
        get(serve(bytes(bad)), tmp_path)
    assert names(tmp_path) == []


def test_a_corrupted_rest_is_fetched_once_more_and_then_refused(serve, tmp_path):
    (tmp_path / "tiny.tar.gz.part").write_bytes(CONTENT[:10])
    site = serve(CONTENT[:-1] + b"!")
    with pytest.raises(ArchiveError, match="md5"):
        get(site, tmp_path)
    assert site.requests == ["bytes=10-", None]
    assert names(tmp_path) == []


def test_an_endless_file_is_stopped(serve, tmp_path):
    with pytest.raises(ArchiveError, match="sends more than"):
        get(serve(CONTENT + b"more"), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (403, 1), (500, 3), (503, 3)])
def test_http_errors_are_reported_and_only_passing_ones_retried(serve, tmp_path, status, attempts):
    site = serve(CONTENT, status=status)
    with pytest.raises(DownloadError, match=str(status)):
        get(site, tmp_path)
    assert len(site.requests) == attempts
    assert names(tmp_path) == []


def test_offline_says_what_to_fetch_and_where_to_put_it(serve, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    spec = spec_for(CONTENT, f"http://127.0.0.1:{port}/tiny.tar.gz")
    with pytest.raises(DownloadError) as caught:
        download(spec, tmp_path, progress=False)
    for part in (spec.url, spec.md5, str(spec.bytes), str(tmp_path / "tiny.tar.gz"), "Without a network"):
        assert part in str(caught.value)


def test_a_wrong_file_put_there_by_hand_is_refused_and_left_alone(tmp_path):
    for content in (CONTENT[:-1], CONTENT[:-1] + b"!"):
        (tmp_path / "tiny.tar.gz").write_bytes(content)
        with pytest.raises(ArchiveError, match="Delete it and call again"):
            download(spec_for(CONTENT), tmp_path, progress=False)
        assert (tmp_path / "tiny.tar.gz").read_bytes() == content


def test_progress_counts_every_byte_once(serve, tmp_path, capsys):
    download(replace(spec_for(CONTENT), url=serve(CONTENT, cut_after=[HALF]).url), tmp_path, progress=True)
    assert "tiny.tar.gz: 100%" in capsys.readouterr().err
