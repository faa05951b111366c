"""Hostile and broken archives are refused and leave nothing behind."""

import tarfile

import pytest
from tiny_cifar import EACH, FOLDER, NAMES, RECORD, plain_members, spec_for, tar_gz

from workbench.data import ArchiveError
from workbench.data.archive import extract


def unpack(content, tmp_path, spec=None):
    """Extract ``content``, whose checksum is right unless ``spec`` says otherwise."""
    path = tmp_path / "tiny.tar.gz"
    path.write_bytes(content)
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    return extract(path, spec or spec_for(content), root)


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_exactly_the_listed_files_are_unpacked(tmp_path):
    members = plain_members()
    folder = unpack(tar_gz(members), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert all((folder / name).read_bytes() == members[f"{FOLDER}/{name}"] for name in NAMES)
    assert [path.name for path in folder.parent.iterdir()] == [FOLDER]


def test_the_checksum_comes_before_everything_else(tmp_path):
    content = tar_gz(plain_members())
    with pytest.raises(ArchiveError, match="md5"):
        unpack(content[:-1] + b"!", tmp_path, spec_for(content))
    with pytest.raises(ArchiveError, match="bytes"):
        unpack(content[:-1], tmp_path, spec_for(content))
    assert list((tmp_path / "root").iterdir()) == []


FIRST = f"{FOLDER}/{NAMES[0]}"
HOSTILE = {
    "climbs out": tar_gz(plain_members() | {"../evil": b"x"}),
    "climbs out from inside": tar_gz(plain_members() | {f"{FOLDER}/../../evil": b"x"}),
    "absolute": tar_gz(plain_members() | {"/tmp/evil-absolute": b"x"}),
    "drive letter": tar_gz(plain_members() | {"C:evil": b"x"}),
    "backslash": tar_gz(plain_members() | {"..\\evil": b"x"}),
    "symbolic link": tar_gz(plain_members(), [special(f"{FOLDER}/link", tarfile.SYMTYPE, "/etc/passwd")]),
    "symbolic link first": tar_gz({}, [special(FIRST, tarfile.SYMTYPE, "/tmp/evil-link")]),
    "hard link": tar_gz(plain_members(), [special(f"{FOLDER}/link", tarfile.LNKTYPE, FIRST)]),
    "device": tar_gz(plain_members(), [special(f"{FOLDER}/device", tarfile.CHRTYPE)]),
    "block device": tar_gz(plain_members(), [special(f"{FOLDER}/device", tarfile.BLKTYPE)]),
    "named pipe": tar_gz(plain_members(), [special(f"{FOLDER}/pipe", tarfile.FIFOTYPE)]),
    "directory outside": tar_gz(plain_members(), [special("../evil", tarfile.DIRTYPE)]),
    "oversize listed file": tar_gz(plain_members() | {FIRST: bytes(EACH * RECORD + 1)}),
    "undersize listed file": tar_gz(plain_members() | {FIRST: bytes(EACH * RECORD - 1)}),
    "oversize stranger": tar_gz(plain_members() | {f"{FOLDER}/bomb": bytes(3 << 20)}),
    "missing file": tar_gz({name: content for name, content in plain_members().items() if name != FIRST}),
    "file twice": tar_gz(plain_members() | {f"{FOLDER}/./{NAMES[0]}": bytes(EACH * RECORD)}),
    "no archive at all": b"this is not a tar file" * 100,
    "cut short": tar_gz(plain_members())[:-9000],
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_or_broken_archives_are_refused_and_leave_nothing(name, tmp_path):
    with pytest.raises(ArchiveError):
        unpack(HOSTILE[name], tmp_path)
    assert list((tmp_path / "root").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "tiny.tar.gz"]


def test_strangers_that_are_small_and_plain_are_passed_over(tmp_path):
    folder = unpack(tar_gz(plain_members() | {"notes.txt": b"hello"}), tmp_path)
    assert not (folder.parent / "notes.txt").exists()


def test_the_disks_own_trouble_is_not_called_a_bad_archive(tmp_path):
    content = tar_gz(plain_members())
    (tmp_path / "tiny.tar.gz").write_bytes(content)
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "tiny.tar.gz", spec_for(content), tmp_path / "nowhere")
