"""Debian packages for the lab, downloaded and unpacked into a cache; nothing is installed by that.

The archive is the one the machine's own apt sources name; its lists and caches stay untouched: apt
works on lists of the lab's own. Only QEMU is installed, by the package manager, and only as root.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from enforcer.lab.errors import LabError

_KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ONE_LINE: Final = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$")


@dataclass(frozen=True, slots=True)
class Source:
    """One archive of the machine's apt sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def cache_folder() -> Path:
    """Where kernels are kept: ``$QOS_LAB_CACHE``, else ``~/.cache/qos-lab``."""
    folder = Path(os.environ.get("QOS_LAB_CACHE") or Path.home() / ".cache" / "qos-lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def cache_lock(name: str) -> Iterator[Path]:
    """Hold one thing of the cache for oneself: two labs that start at once download one copy."""
    folder = cache_folder()
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def parse_sources(text: str) -> list[Source]:
    """The archives of one apt sources file, of the one-line or the deb822 format.

    >>> parse_sources("deb [arch=amd64] https://mirror.example/debian bookworm main")
    [Source(uri='https://mirror.example/debian', suites=('bookworm',), components=('main',))]
    """
    sources: list[Source] = []
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        matches = filter(None, map(_ONE_LINE.match, lines))
        sources.extend(Source(match[1], (match[2],), tuple(match[3].split())) for match in matches)
        fields = {key.strip().lower(): value.split() for key, _, value in (x.partition(":") for x in lines)}
        if "deb" in fields.get("types", []):
            suites, components = tuple(fields.get("suites", [])), tuple(fields.get("components", []))
            sources.extend(Source(uri, suites, components) for uri in fields.get("uris", []))
    return sources


def codename() -> str:
    """The machine's Debian release, as ``bookworm``.

    Raises:
        LabError: not Debian on x86-64.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {"PRETTY_NAME": platform.system()}
    name = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not name or platform.machine() != "x86_64":
        here = f"{release.get('PRETTY_NAME', 'unknown')} on {platform.machine()}"
        raise LabError(f"guests are Debian's kernels for x86-64; this is {here}")
    return name


def backports() -> str:
    """The suite of newer packages for the machine's release, as ``bookworm-backports``.

    Raises:
        LabError: not Debian on x86-64.
    """
    return f"{codename()}-backports"


def mirror(release: str) -> str:
    """The archive that the machine itself takes ``release`` from.

    Raises:
        LabError: none of its apt sources names it.
    """
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            for source in parse_sources(file.read_text()):
                if release in source.suites and "main" in source.components:
                    return source.uri
    raise LabError(f"no apt source in {folder} names {release} main; add one to sources.list.d")


class Archive:
    """One suite of the machine's Debian mirror, with package lists of the lab's own."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self._folder = cache_folder() / "apt" / suite
        (self._folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self._folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)

    def update(self) -> None:
        """Fetch the suite's package lists.

        Raises:
            LabError: the mirror does not answer, or its signature is not Debian's.
        """
        with cache_lock(f"apt-{self.suite}"):
            self._update()

    def _update(self) -> None:
        line = f"deb [signed-by={_KEYRING}] {mirror(codename())} {self.suite} main\n"
        (self._folder / "sources.list").write_text(line)
        self._apt("apt-get", "update")

    def depends(self, package: str) -> list[str]:
        """The names of the packages that ``package`` depends on.

        Raises:
            LabError: no such package.
        """
        return re.findall(r"Depends: (\S+)", self._apt("apt-cache", "depends", package))

    def unpack(self, package: str, target: Path) -> None:
        """Download a package and unpack its files below ``target``.

        Raises:
            LabError: no such package, or it cannot be fetched or unpacked.
        """
        with cache_lock(f"apt-{self.suite}"):
            self._unpack(package, target)

    def _unpack(self, package: str, target: Path) -> None:
        downloads = self._folder / "downloads"
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir()
        self._apt("apt-get", "download", package, cwd=downloads)
        (archive,) = downloads.glob("*.deb")
        unfinished = target.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        run_tool("dpkg", "-x", str(archive), str(unfinished))
        shutil.rmtree(downloads)
        unfinished.rename(target)

    def _apt(self, tool: str, *arguments: str, cwd: Path | None = None) -> str:
        options = {
            "APT::Sandbox::User": "root",
            "Dir::Etc::sourcelist": f"{self._folder}/sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::Lists": f"{self._folder}/lists",
            "Dir::Cache": f"{self._folder}/cache",
        }
        flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return run_tool(tool, *flags, *arguments, cwd=cwd)


def install(package: str) -> None:
    """Install a package on this machine, as root only.

    Raises:
        LabError: not root (says which package to install), or the package manager failed.
    """
    if os.geteuid() != 0:
        raise LabError(
            f"{package} is not installed; as root: apt-get install --no-install-recommends {package}"
        )
    command = ("apt-get", "-y", "--no-install-recommends", "install", package)
    try:
        run_tool(*command)
    except LabError:
        run_tool("apt-get", "update")
        run_tool(*command)


def run_tool(tool: str, *arguments: str, cwd: Path | None = None) -> str:
    """Run a program of the system to its end; its output.

    Raises:
        LabError: it is not there, or failed; carries the last lines of what it said.
    """
    path = shutil.which(tool)
    if path is None:
        raise LabError(f"{tool} is not installed on this machine")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        [path, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = "; ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise LabError(f"{tool} {arguments[-1] if arguments else ''} failed: {said}")
    return done.stdout
