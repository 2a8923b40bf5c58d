"""The lab's parts that need no guest: apt sources, packed kernels, modules, the job folder."""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from pathlib import Path

import pytest

from enforcer.lab.emulator import Emulator
from enforcer.lab.errors import LabError
from enforcer.lab.guest import exit_code_of
from enforcer.lab.job import Job, read_exit_code, read_job, write_exit_code, write_job
from enforcer.lab.launcher import run_in_guest
from enforcer.lab.modules import lay_ready
from enforcer.lab.packages import Source, parse_sources, run_tool
from enforcer.lab.vmlinux import unpack_vmlinux

ELF = b"\x7fELF" + bytes(range(256)) * 40


class TestEmulator:
    @pytest.mark.parametrize(
        ("version", "sound"), [("7.2.22", False), ("9.2", False), ("10.0.2", True), ("11.0.0", True)]
    )
    def test_two_threads_from_version_10_on(self, version, sound):
        """Each CPU gets a thread of its own from QEMU 10 on; the words say which it was."""
        found = Emulator("/usr/bin/qemu-system-x86_64", version)
        assert found.is_sound is sound
        assert (
            str(found) == f"QEMU {version}, {'a thread for each CPU' if sound else 'all CPUs in one thread'}"
        )


class TestAptSources:
    def test_both_formats_and_comments(self):
        """One-line and deb822 files are read; comments and sources of source code are no archives."""
        text = (
            "# deb http://old.example/debian buster main\n"
            "deb [signed-by=/k.gpg arch=amd64] https://a.example/debian bookworm main contrib\n"
            "deb-src https://a.example/debian bookworm main\n"
            "\n"
            "Types: deb deb-src\nURIs: http://b.example/debian http://c.example/debian\n"
            "# a comment inside\nSuites: bookworm bookworm-updates\nComponents: main\n"
            "\n"
            "Types: deb-src\nURIs: http://d.example/debian\nSuites: bookworm\nComponents: main\n"
        )
        assert parse_sources(text) == [
            Source("https://a.example/debian", ("bookworm",), ("main", "contrib")),
            Source("http://b.example/debian", ("bookworm", "bookworm-updates"), ("main",)),
            Source("http://c.example/debian", ("bookworm", "bookworm-updates"), ("main",)),
        ]

    def test_no_sources(self):
        """An empty file has none."""
        assert parse_sources("") == []


def bz_image(payload: bytes) -> bytes:
    """A boot image as the x86 boot protocol lays it out: two setup sectors, then a packed kernel."""
    setup = bytearray(3 * 512)
    setup[0x1F1] = 2
    struct.pack_into("<II", setup, 0x248, 64, len(payload))
    return bytes(setup) + bytes(64) + payload + b"signature behind the payload"


class TestPackedKernel:
    @pytest.mark.parametrize(
        "pack", [gzip.compress, lambda image: lzma.compress(image, format=lzma.FORMAT_XZ)]
    )
    def test_the_elf_kernel_comes_out(self, pack):
        """Whatever packed it; the four bytes of size behind it are not part of the stream."""
        image = bz_image(pack(ELF) + struct.pack("<I", len(ELF)))
        assert unpack_vmlinux(image) == ELF

    def test_zstd_too(self):
        """Distributions' newer kernels are packed by zstd."""
        packed = subprocess.run(["zstd", "-c"], input=ELF, capture_output=True, check=True).stdout
        assert unpack_vmlinux(bz_image(packed + struct.pack("<I", len(ELF)))) == ELF

    def test_an_unknown_packer_is_said(self):
        """The first bytes are in the message."""
        with pytest.raises(LabError, match="unknown method"):
            unpack_vmlinux(bz_image(b"none of these"))

    def test_what_is_no_kernel_is_said(self):
        """A stream that holds something else is not booted."""
        with pytest.raises(LabError, match="no ELF kernel"):
            unpack_vmlinux(bz_image(gzip.compress(b"text") + bytes(4)))


@pytest.fixture
def modules_root(tmp_path: Path) -> Path:
    """A kernel's modules: b needs a, c is packed and needs b; d is built in."""
    folder = tmp_path / "6.1" / "kernel"
    folder.mkdir(parents=True)
    for name, needs in (("mod-a", ""), ("mod_b", "mod-a"), ("mod_c", "mod_b,mod_d")):
        image = b"\x7fELF" + b"\0depends=" + needs.encode() + b"\0name=" + name.encode() + b"\0"
        if name == "mod_c":
            (folder / f"{name}.ko.xz").write_bytes(lzma.compress(image))
        else:
            (folder / f"{name}.ko").write_bytes(image)
    (tmp_path / "6.1" / "modules.builtin").write_text("kernel/mod-d.ko\n")
    return tmp_path


class TestModules:
    def test_they_lie_in_loading_order_unpacked(self, modules_root, tmp_path):
        """What a module needs comes before it, once."""
        lay_ready(modules_root, ["mod-c", "mod_a", "mod_d"], tmp_path / "ready")
        laid = sorted((tmp_path / "ready").iterdir())
        assert [path.name for path in laid] == ["000-mod_a.ko", "001-mod_b.ko", "002-mod_c.ko"]
        assert all(path.read_bytes().startswith(b"\x7fELF") for path in laid)

    def test_a_module_that_is_not_there(self, modules_root, tmp_path):
        """Said before the guest is started."""
        with pytest.raises(LabError, match="no module wishes"):
            lay_ready(modules_root, ["wishes"], tmp_path / "ready")

    def test_a_kernel_without_modules_has_all_built_in(self, tmp_path):
        """Then there is nothing to load."""
        lay_ready(None, ["veth"], tmp_path / "ready")
        assert list((tmp_path / "ready").iterdir()) == []


class TestJobFolder:
    def test_a_job_comes_back_as_it_was(self, tmp_path):
        """Host and guest read the same job."""
        job = Job(("sh", "-c", "exit 3"), "/", {"A": "ä\n"}, ("/srv",), systemd=True)
        write_job(tmp_path, job)
        assert read_job(tmp_path) == job

    def test_an_exit_code_is_there_or_not(self, tmp_path):
        """None says that the guest did not get so far."""
        assert read_exit_code(tmp_path) is None
        write_exit_code(tmp_path, 137)
        assert read_exit_code(tmp_path) == 137

    @pytest.mark.parametrize(("status", "code"), [(0, 0), (3 << 8, 3), (9, 137), (15, 143)])
    def test_exit_codes_are_a_shells(self, status, code):
        """A killed command is 128 and the signal."""
        assert exit_code_of(status) == code


class TestRefusals:
    def test_a_lane_there_is_not(self):
        """The lanes are named."""
        with pytest.raises(LabError, match=r"no lane 'vmware'; there are uml, qemu, built"):
            run_in_guest(["true"], lane="vmware")

    def test_a_tool_there_is_not_and_one_that_fails(self):
        """A missing tool is named; a failing one's last words are given."""
        with pytest.raises(LabError, match="no-such-tool is not installed"):
            run_tool("no-such-tool")
        with pytest.raises(LabError, match=r"dpkg .*failed: .*"):
            run_tool("dpkg", "-x", "/no/such.deb", "/no/where")
