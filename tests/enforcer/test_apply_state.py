"""The record on disk, and what is refused before any cgroup is looked at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.ownership import OwnedCgroup, OwnedValue, Record
from enforcer.state import StateStore, default_directory
from qos.errors import HostError

TEXT = st.none() | st.text(alphabet="maxdefult 0123456789:=\n", max_size=20)
VALUES = st.dictionaries(
    st.sampled_from(("cpu.max", "io.max", "memory.max")), st.builds(OwnedValue, TEXT, TEXT, TEXT)
)
CGROUPS = st.dictionaries(
    st.text(alphabet="ab/", min_size=1, max_size=6),
    st.builds(OwnedCgroup, st.just("n"), st.booleans(), st.none() | st.integers(1, 2**53), VALUES),
    min_size=1,
)


@given(CGROUPS)
def test_a_record_reads_back_as_written(tmp_path_factory: pytest.TempPathFactory, cgroups) -> None:
    """Every value, also the absent ones, survives the disk."""
    store = StateStore(tmp_path_factory.mktemp("state"))
    record = Record("boot", "/root", 7, cgroups, [("", "cpu")], {"pod/default/web": {"a": [1, None]}})
    store.save(record)
    assert store.load() == record
    store.close()


class TestWhoMayReach:
    def test_files_are_for_their_owner_only(self, tmp_path: Path) -> None:
        """0700 and 0600, whatever the umask says."""
        before = os.umask(0)
        try:
            store = StateStore(tmp_path / "s")
            with store.locked():
                store.save(Record("boot", "", 1, {"a": OwnedCgroup("a", made=True)}))
        finally:
            os.umask(before)
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "s" / "record.json").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "s" / "lock").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
    def test_a_directory_that_others_can_write_is_refused(self, tmp_path: Path, mode: int) -> None:
        """By group or by all, sticky or not; the words say how to mend it."""
        folder = tmp_path / "s"
        folder.mkdir()
        folder.chmod(mode)
        with pytest.raises(HostError, match=r"others can reach it .* chmod go-rwx"):
            StateStore(folder)

    def test_a_symlink_is_refused(self, tmp_path: Path) -> None:
        """Neither the directory nor the record may be one."""
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "s").symlink_to(tmp_path / "real")
        with pytest.raises(HostError, match="state directory"):
            StateStore(tmp_path / "s")
        (tmp_path / "real" / "record.json").symlink_to("/etc/passwd")
        with pytest.raises(HostError, match=r"record.json"):
            StateStore(tmp_path / "real").load()

    def test_a_record_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        """It names pods and their environment: nobody else's business, and a sign of tampering."""
        store = StateStore(tmp_path / "s")
        store.save(Record("boot", "", 1, {"a": OwnedCgroup("a", made=True)}))
        (tmp_path / "s" / "record.json").chmod(0o644)
        with pytest.raises(HostError, match="others can reach it"):
            store.load()

    def test_somebody_elses_directory_is_refused(self, tmp_path: Path) -> None:
        """Whoever owns it could make us restore any value."""
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory away")
        (tmp_path / "s").mkdir(mode=0o700)
        os.chown(tmp_path / "s", 12345, 12345)
        with pytest.raises(HostError, match="belongs to user 12345"):
            StateStore(tmp_path / "s")


class TestDamage:
    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}', '{"format": 1}'])
    def test_a_damaged_record_is_one_sentence(self, tmp_path: Path, text: str) -> None:
        """Never a traceback, never taken for an empty one."""
        store = StateStore(tmp_path / "s")
        (tmp_path / "s" / "record.json").touch(mode=0o600)
        (tmp_path / "s" / "record.json").write_text(text)
        with pytest.raises(HostError, match=r"damaged|format"):
            store.load()

    def test_an_empty_record_is_no_file(self, tmp_path: Path) -> None:
        """After the last thing was given back nothing lies about."""
        store = StateStore(tmp_path / "s")
        store.save(Record("boot", "", 1, {"a": OwnedCgroup("a", made=True)}))
        store.save(Record("boot", "", 1))
        assert store.load() is None
        assert list((tmp_path / "s").iterdir()) == []


def test_rootless_state_lies_in_the_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without one it is said what to set."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_directory({"XDG_RUNTIME_DIR": "/run/user/1000"}) == Path("/run/user/1000/qos")
    with pytest.raises(HostError, match="--state-dir"):
        default_directory({})


POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: b}]}}"


@pytest.mark.parametrize("command", [["apply", "-f", "-"], ["diff", "-f", "-"], ["get"], ["delete", "--all"]])
def test_without_cgroup_v2_there_is_one_sentence_with_the_remedy(command: list[str], tmp_path: Path) -> None:
    """Exit code 2, one line, `qos doctor` and `qos lab` named; nothing is written."""
    run = [str(Path(sys.executable).with_name("qos"))]
    options = ["--root", str(tmp_path), "--state-dir", str(tmp_path / "s")]
    done = subprocess.run([*run, *command, *options], input=POD, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "not a cgroup v2 file system" in done.stderr
    assert "qos doctor" in done.stderr
    assert "qos lab" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_client_dry_run_needs_no_cgroup_v2(tmp_path: Path) -> None:
    """It plans and looks at nothing."""
    run = [str(Path(sys.executable).with_name("qos")), "apply", "-f", "-", "--dry-run", "client"]
    done = subprocess.run(run, input=POD, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert "pod/default/web created (dry run)" in done.stdout
