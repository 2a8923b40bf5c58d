"""Commands, credentials and names, before any kernel is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.command import command_of, expand
from enforcer.launch import Command
from enforcer.logs import log_path, open_log
from enforcer.namespaces import NAMESPACES, flags_of
from enforcer.procfs import ProcFS
from enforcer.security import CAPABILITIES, DEFAULT, Credentials, credentials
from qos.errors import HostError, InputError
from qos.model.pod import Capabilities, Container, Pod, SecurityContext

capability_names = st.lists(st.sampled_from(CAPABILITIES), max_size=5).map(tuple)


class TestCredentials:
    @given(capability_names, capability_names)
    def test_what_is_dropped_is_never_granted(self, add: tuple[str, ...], drop: tuple[str, ...]) -> None:
        """A capability both added and dropped is dropped; all others are the default's or added."""
        who = credentials(None, SecurityContext(capabilities=Capabilities(add=add, drop=drop)))
        assert who.capabilities == (DEFAULT | set(add)) - set(drop)

    @given(capability_names)
    def test_drop_all_leaves_what_is_added(self, add: tuple[str, ...]) -> None:
        """The restricted profile: ALL dropped, and a few named ones back."""
        who = credentials(None, SecurityContext(capabilities=Capabilities(add=add, drop=("ALL",))))
        assert who.capabilities == set(add)

    def test_the_container_stands_above_the_pod(self) -> None:
        """What the container leaves open is the pod's."""
        pod = SecurityContext(run_as_user=1, run_as_group=2)
        assert credentials(pod, SecurityContext(run_as_user=3)).uid == 3
        assert credentials(pod, None) == Credentials(1, 2)

    def test_privileged_has_every_capability_and_a_writable_root(self) -> None:
        """As the runtime has it, whatever else is asked."""
        who = credentials(None, SecurityContext(privileged=True, read_only_root_filesystem=True))
        assert who == Credentials(capabilities=frozenset(CAPABILITIES))

    @pytest.mark.parametrize(
        ("context", "field"),
        [
            (SecurityContext(run_as_user=-1), "runAsUser"),
            (SecurityContext(run_as_group=2**32), "runAsGroup"),
            (SecurityContext(run_as_non_root=True), "runAsUser"),
            (SecurityContext(run_as_non_root=True, run_as_user=0), "runAsUser"),
            (SecurityContext(capabilities=Capabilities(add=("FLY",))), "capabilities"),
        ],
    )
    def test_what_cannot_be_obeyed_is_refused(self, context: SecurityContext, field: str) -> None:
        """The error names the field."""
        with pytest.raises(InputError) as caught:
            credentials(None, context)
        assert caught.value.field is not None
        assert field in caught.value.field

    def test_the_mask_of_the_default_set_is_containerd_s(self) -> None:
        """As /proc/1/status shows it in any container: 00000000a80425fb."""
        assert Credentials().mask() == 0xA80425FB


class TestCommand:
    def test_a_container_without_a_command_has_none(self) -> None:
        """Arguments alone are for the image's entry point, which qos does not have."""
        assert command_of(Pod(), Container(name="a", args=("x",))) is None

    def test_command_arguments_and_environment(self) -> None:
        """Command then args, variables replaced, nothing of the launcher's environment but PATH."""
        container = Container.model_validate(
            {
                "name": "a",
                "command": ["run", "--host=$(HOST)"],
                "args": ["$(OTHER)", "$$(HOST)"],
                "env": [{"name": "HOST", "value": "db"}],
                "workingDir": "/srv",
            }
        )
        command = command_of(Pod.model_validate({"metadata": {"name": "web"}}), container, 999)
        assert command is not None
        assert command.argv == ("run", "--host=db", "$(OTHER)", "$(HOST)")
        assert command.env == {"PATH": os.environ["PATH"], "HOSTNAME": "web", "HOST": "db"}
        assert (command.working_dir, command.oom_score_adj, command.hostname) == ("/srv", 999, "web")

    @given(st.text(alphabet="$()ab", max_size=12))
    def test_expanding_without_variables_takes_away_dollars_only(self, text: str) -> None:
        """Unknown names stay as they are written; of doubled dollars one goes."""
        shown = expand(text, {})
        assert shown.replace("$", "") == text.replace("$", "")
        assert text.count("$") / 2 <= shown.count("$") <= text.count("$")

    @pytest.mark.parametrize(
        ("text", "shown"),
        [("$$", "$"), ("$$(A)", "$(A)"), ("$(A)", "$(A)"), ("$($$)", "$($$)"), ("$a", "$a"), ("$(", "$(")],
    )
    def test_expanding_is_kubernetes_own(self, text: str, shown: str) -> None:
        """The cases of third_party/forked/golang/expansion: a name ends at the first bracket."""
        assert expand(text, {}) == shown

    def test_a_read_only_root_needs_its_own_mounts(self) -> None:
        """Otherwise it would be the host's root file system that is made read-only."""
        with pytest.raises(HostError, match="mount namespace of its own"):
            Command(("true",), who=Credentials(read_only_root=True), new_namespaces=frozenset({"pid"}))

    def test_clone_flags_leave_the_cgroup_namespace_to_the_child(self) -> None:
        """Every other namespace is a flag of its own."""
        names = frozenset(NAMESPACES)
        assert flags_of(names) == sum(NAMESPACES.values()) - NAMESPACES["cgroup"]


class TestLogs:
    def test_output_is_appended_for_its_owner_only(self, tmp_path: Path) -> None:
        """Two starts under one number follow each other; the file is 0600 in a folder 0700."""
        for word in (b"one\n", b"two\n"):
            with open_log(tmp_path / "logs", "default/web", "app") as fd:
                os.write(fd, word)
        path = log_path(tmp_path / "logs", "default/web", "app")
        assert path.read_bytes() == b"one\ntwo\n"
        assert [path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777] == [0o600, 0o700]

    def test_a_directory_others_can_write_is_refused(self, tmp_path: Path) -> None:
        """Somebody could have laid a link there."""
        shared = tmp_path / "logs"
        shared.mkdir()
        shared.chmod(0o777)
        with (
            pytest.raises(HostError, match="not a directory of this user alone"),
            open_log(shared, "a/b", "c"),
        ):
            pass

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        """A log that is a link to another file is refused, and the file untouched."""
        path = log_path(tmp_path / "logs", "default/web", "app")
        path.parent.mkdir(mode=0o700, parents=True)
        path.parent.parent.chmod(0o700)
        victim = tmp_path / "victim"
        victim.touch()
        path.symlink_to(victim)
        with pytest.raises(HostError), open_log(tmp_path / "logs", "default/web", "app"):
            pass
        assert victim.read_bytes() == b""

    @pytest.mark.parametrize("container", ["../up", "a\0b", "x" * 300, ""])
    def test_no_name_leads_out_of_the_directory(self, tmp_path: Path, container: str) -> None:
        """Names that are not one file's are refused, or stay inside."""
        try:
            path = log_path(tmp_path, "default/web", container)
        except HostError:
            return
        assert path.resolve().parent == tmp_path / "default_web"


class TestProcFS:
    def test_this_process_is_found(self) -> None:
        """Its number, its arguments, and None for one that is not there."""
        proc = ProcFS()
        assert os.getpid() in set(proc.pids())
        assert proc.command_line(os.getpid())
        assert proc.command_line(2**22 - 1) is None
        assert proc.cgroup(2**22 - 1) is None

    def test_a_recorded_proc_is_read(self, shared_dir: Path) -> None:
        """The cgroup of a process outside the reader's namespace keeps its leading dots."""
        proc = ProcFS(shared_dir / "data" / "cgroupfs" / "elastic" / "docker2" / "proc")
        cgroup = proc.cgroup(2233801)
        assert cgroup is not None
        assert cgroup.startswith("..")
