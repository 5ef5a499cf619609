"""Where overwriting in place erases, and where nothing of a print may be written."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contact_point.keys import (
    KeySlots,
    KeySlotsError,
    check_erasure,
    erasure,
    new_key,
    unencrypted_swap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prints.slots"


# A kernel that says what the test wants: what it would say below /proc and /sys, in a folder


class Kernel:
    """Files as the kernel shows them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.mounts: list[str] = []
        self.write("proc/swaps", "Filename Type Size Used Priority\n")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")

    def mount(self, point: str, kind: str, number: str, source: str = "/dev/x", options: str = "rw") -> None:
        self.mounts.append(f"1 1 {number} / {point} rw - {kind} {source} {options}")
        self.write("proc/self/mountinfo", "\n".join(self.mounts))

    def device(self, name: str, number: str, *below: str, uuid: str = "", rotational: int = 1) -> None:
        folder = self.root / "sys/devices" / name
        (folder / "slaves").mkdir(parents=True)
        for each in below:
            (folder / "slaves" / each).symlink_to(self.root / "sys/devices" / each)
        self.write(f"sys/devices/{name}/queue/rotational", str(rotational))
        if uuid:
            self.write(f"sys/devices/{name}/dm/uuid", uuid)
        for link in (self.root / "sys/dev/block" / number, self.root / "sys/block" / name):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder)

    def refuses(self, path: str, reason: str) -> None:
        """Assert that a file there is refused for this reason, and with a token only remarked upon."""
        with pytest.raises(KeySlotsError) as refused:
            check_erasure([Path(path)], token=False, system=self.root)
        assert str(refused.value) == (
            f"Art. 8, 9: {reason}, so keys that are destroyed in {Path(path).name} may stay readable, and no print is written"
            ": move the installation to ext4 (data=ordered) or XFS on a disk of its own, or keep the wrapping keys in a token "
            "(installation.toml)"
        )
        assert self.remarks(path, token=True)[0] == (
            f"For {Path(path).name}: {reason}; a key that is destroyed there may be read until the wrapping key in the token "
            "is replaced (Art. 8, 9)."
        )

    def remarks(self, path: str, *, token: bool = False) -> list[str]:
        return check_erasure([Path(path)], token=token, system=self.root)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    kernel = Kernel(tmp_path / "kernel")
    kernel.device("vda", "254:0")
    kernel.write("proc/fs/ext4/vda/options", "rw\ndata=ordered")
    kernel.mount("/", "ext4", "254:0")
    return kernel


def test_ext4_with_ordered_data_on_a_plain_disk_erases(kernel: Kernel) -> None:
    assert kernel.remarks("/srv/a.slots") == []


def test_a_file_on_no_known_mount_is_refused(kernel: Kernel) -> None:
    kernel.write("proc/self/mountinfo", "")
    with pytest.raises(KeySlotsError, match=r"cannot tell how a\.slots is stored"):
        kernel.remarks("/srv/a.slots", token=True)


@pytest.mark.parametrize("kind", ["btrfs", "zfs", "overlay", "nfs4", "f2fs", "fuse.sshfs", "bcachefs"])
def test_a_file_system_that_does_not_overwrite_in_place_is_refused(kernel: Kernel, kind: str) -> None:
    kernel.mount("/srv", kind, "0:40")
    kernel.refuses("/srv/a.slots", f"the file system {kind} is not known to overwrite in place")


def test_journalled_data_is_refused_however_it_was_asked_for(kernel: Kernel) -> None:
    reason = "the file system ext4 with data=journal copies what is written into its journal"
    kernel.mount("/mounted", "ext4", "254:0", options="rw,data=journal")
    kernel.refuses("/mounted/a.slots", reason)
    kernel.device("dm-3", "253:3", "vda", uuid="LVM-abc")
    kernel.mount("/by-default", "ext4", "253:3", source="/dev/mapper/vg-keys")
    kernel.write("proc/fs/ext4/dm-3/options", "rw\ndata=journal")
    kernel.refuses("/by-default/a.slots", reason)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("-real", "a snapshot of the volume exists, to which the old blocks are copied"),
        ("-cow", "the volume is a snapshot, to which what is written goes elsewhere"),
        ("-tpool", "the volume is thin, and copies what it shares with a snapshot"),
        ("-vpool", "the volume is deduplicated and compressed, and writes elsewhere"),
    ],
)
def test_a_volume_with_snapshots_is_refused(kernel: Kernel, end: str, reason: str) -> None:
    kernel.device("dm-1", "253:1", "vda", uuid=f"LVM-abcdef{end}")
    kernel.device("dm-2", "253:2", "dm-1", uuid="LVM-abcdef")
    kernel.mount("/srv", "xfs", "253:2")
    kernel.refuses("/srv/a.slots", f"under the file system {reason} (dm-1)")


def test_an_encrypted_or_linear_volume_is_as_good_as_its_disk(kernel: Kernel) -> None:
    kernel.device("dm-1", "253:1", "vda", uuid="CRYPT-LUKS2-abc-keys")
    kernel.device("dm-2", "253:2", "dm-1", uuid="LVM-abcdef")
    kernel.mount("/srv", "xfs", "253:2")
    assert kernel.remarks("/srv/a.slots") == []


def test_a_volume_of_zfs_is_refused(kernel: Kernel) -> None:
    kernel.device("zd16", "230:16")
    kernel.mount("/srv", "xfs", "230:16")
    kernel.refuses("/srv/a.slots", "under the file system is a volume of ZFS (zd16), which writes elsewhere")


def test_a_loop_device_is_as_good_as_the_file_below_it(kernel: Kernel) -> None:
    kernel.device("loop4", "7:4")
    kernel.write("sys/devices/loop4/loop/backing_file", "/images/keys.img")
    kernel.mount("/srv", "xfs", "7:4")
    assert kernel.remarks("/srv/a.slots") == []
    kernel.mount("/images", "btrfs", "0:41")
    kernel.refuses("/srv/a.slots", "the file system btrfs is not known to overwrite in place (under loop4)")


def test_a_loop_device_upon_itself_comes_to_an_end(kernel: Kernel) -> None:
    kernel.device("loop4", "7:4")
    kernel.write("sys/devices/loop4/loop/backing_file", "/srv/keys.img")
    kernel.mount("/srv", "xfs", "7:4")
    assert kernel.remarks("/srv/a.slots") == []


def test_flash_is_remarked_upon_unless_there_is_a_token(kernel: Kernel) -> None:
    kernel.device("nvme0n1", "259:0", rotational=0)
    kernel.device("dm-1", "253:1", "nvme0n1", uuid="LVM-abc", rotational=0)
    kernel.mount("/srv", "xfs", "253:1")
    (remark,) = kernel.remarks("/srv/a.slots")
    assert remark == (
        "The disk nvme0n1 is flash, or says so: worn cells may keep wrapping keys that were overwritten. Only a token closes "
        "that (Art. 8, 9)."
    )
    assert kernel.remarks("/srv/a.slots", token=True) == []


def test_what_cannot_be_seen_is_said(kernel: Kernel) -> None:
    kernel.mount("/srv", "ext4", "8:1", source="/dev/sda1")
    assert kernel.remarks("/srv/a.slots") == [
        "The kernel does not say whether /dev/sda1 journals data: make sure that it does not.",
        "The kernel does not say what /dev/sda1 is made of: make sure that no snapshot is taken of it.",
    ]


def test_a_tmpfs_is_as_good_as_the_swap(kernel: Kernel) -> None:
    kernel.mount("/memory", "tmpfs", "0:30")
    kernel.mount("/pinned", "tmpfs", "0:31", options="rw,noswap")
    assert kernel.remarks("/memory/a.slots") == []
    kernel.write("proc/swaps", "Filename Type Size Used Priority\n/dev/vda2 partition 100 0 -2")
    kernel.device("vda2", "254:2")
    (remark,) = kernel.remarks("/memory/a.slots")
    assert remark == (
        "Keys lie in a tmpfs, which may be swapped out to /dev/vda2, in clear as far as can be seen (Art. 9): encrypt the swap "
        "or switch it off."
    )
    assert kernel.remarks("/pinned/a.slots") == []


def test_swap_in_memory_or_encrypted_is_told_from_swap_in_clear(kernel: Kernel) -> None:
    kernel.device("zram0", "252:0")
    kernel.device("zram1", "252:1")
    kernel.write("sys/devices/zram0/backing_dev", "none")
    kernel.write("sys/devices/zram1/backing_dev", "/dev/vda3")
    kernel.device("dm-0", "253:0", "vda", uuid="CRYPT-PLAIN-swap")
    kernel.device("dm-1", "253:1", "dm-0", uuid="LVM-swap")
    kernel.device("dm-2", "253:2", "vda", uuid="LVM-swap")
    kernel.mount("/sealed", "ext4", "253:1")
    names = ["/dev/zram0", "/dev/zram1", "/dev/dm-0", "/dev/dm-1", "/dev/dm-2", "/dev/gone"]
    files = ["/swap\\040file", "/sealed/swap"]
    lines = [*(f"{name} partition 1 0 -2" for name in names), *(f"{name} file 1 0 -2" for name in files)]
    kernel.write("proc/swaps", "\n".join(["Filename Type Size Used Priority", *lines]))
    assert unencrypted_swap(kernel.root) == ["/dev/zram1", "/dev/dm-2", "/dev/gone", "/swap file"]


@pytest.mark.parametrize(
    ("asked", "flag", "reason"),
    [
        ("_file_flags", 0x4000, "has the attribute j (chattr +j), so what is written to it is copied into the journal"),
        ("_file_flags", 0x10000000, "lies in its inode, which is copied into the journal"),
        ("_extent_flags", 0x2001, "shares blocks with a copy (reflink, snapshot), which keeps the old ones"),
        ("_extent_flags", 0x8, "is compressed, so its blocks are written anew elsewhere"),
    ],
)  # fmt: skip
def test_a_file_of_its_own_kind_is_refused(
    kernel: Kernel, path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, flag: int, reason: str
) -> None:
    path.touch()
    monkeypatch.setattr(erasure, asked, lambda _file: flag)
    kernel.refuses(str(path), f"prints.slots {reason}")


def test_this_machine_answers(path: Path) -> None:
    KeySlots.create(path, capacity=8)
    try:
        assert all(remark.endswith(".") for remark in check_erasure([path], token=True))
        check_erasure([path, path.with_suffix(".kek")], token=False)
    except KeySlotsError as refused:
        assert str(refused).startswith("Art. 8, 9: ")  # noqa: PT017 - where the tests run on an overlay, say


# Real file systems


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Path]:
    """Make an ext4 of 16 MB on a loop device, and mount it."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    image, point = tmp_path / "disk.img", tmp_path / "mounted"
    image.touch()
    os.truncate(image, 16 << 20)
    point.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-O", "inline_data", "-I", "1024", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, point], check=False, capture_output=True).returncode:
        pytest.skip("loop devices cannot be mounted here")
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def fault(path: Path) -> str:
    with pytest.raises(KeySlotsError) as refused:
        check_erasure([path], token=False)
    return str(refused.value).partition(", so keys that are destroyed")[0]


def test_real_ext4_is_judged_by_its_journal_and_the_attributes_of_the_file(ext4: Path) -> None:
    slots = KeySlots.create(ext4 / "a.slots", capacity=64)
    slots.put([new_key()])
    files = [ext4 / "a.slots", ext4 / "a.kek"]
    check_erasure(files, token=False)
    if subprocess.run(["chattr", "+j", files[0]], check=False, capture_output=True).returncode == 0:  # CAP_SYS_RESOURCE
        assert fault(files[0]).startswith("Art. 8, 9: a.slots has the attribute j")
        subprocess.run(["chattr", "-j", files[0]], check=True)
    small = ext4 / "small.kek"
    small.write_bytes(bytes(100))
    os.sync()
    assert fault(small) == "Art. 8, 9: small.kek lies in its inode, which is copied into the journal"
    subprocess.run(["umount", ext4], check=True)
    image = ext4.parent / "disk.img"
    subprocess.run(["mount", "-o", "loop,data=journal", image, ext4], check=True)
    assert fault(files[0]).endswith("ext4 with data=journal copies what is written into its journal")
    subprocess.run(["umount", ext4], check=True)
    subprocess.run(["tune2fs", "-o", "journal_data", image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, ext4], check=True)
    assert fault(files[0]).endswith("ext4 with data=journal copies what is written into its journal")
