"""Entry points of the kit: the scheduled sessions that act on a host, and the development ones.

`nox` alone runs the development gates and never touches a host. Sessions that act on a host use the
environment that nox itself runs in, where the kit is installed, and end with nox's own status: 1 on any
failure, 130 after SIGTERM. The status of the run itself is in its exit record in the state directory.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys

import nox

nox.needs_version = ">=2026.4"
nox.options.sessions = ["lint", "types", "tests", "compat"]
nox.options.error_on_missing_interpreters = False

KIT = (sys.executable, "-m", "hygiene_core")
APPLY_SECONDS = 1200
FAST_TESTS = ("tests/unit", "tests/property")


if "--quiet" in sys.argv:
    # Cron mails whatever is written: with nothing to say, nox says nothing either.
    logging.getLogger("nox").setLevel(logging.ERROR)


def _interrupt(_number: int, _frame: object) -> None:
    """End the session as Ctrl-C does: nox would otherwise die of SIGTERM and leave its child running."""
    raise KeyboardInterrupt


def _wait(_number: int, _frame: object) -> None:
    """Go on waiting: Ctrl-C reaches the command as well, and that ends in its own time."""


def _on_host(session: nox.Session, *command: str, seconds: int = 30) -> None:
    signal.signal(signal.SIGTERM, _interrupt)
    session.run(
        *command,
        external=True,
        stdout=sys.stdout,  # data stays data, as without nox
        stderr=sys.stderr,
        interrupt_timeout=1,
        terminate_timeout=seconds,
    )


@nox.session(venv_backend="none", default=False)
def report(session: nox.Session) -> None:
    """Look at a host, read-only, and keep the evidence. Options after `--` are those of `hygiene report`."""
    _on_host(session, *KIT, "report", *session.posargs)


@nox.session(venv_backend="none", default=False)
def apply(session: nox.Session) -> None:
    """Remove what a plan names. Options after `--` are those of `hygiene apply`.

    SIGTERM and Ctrl-C ask the run to stop after its step, and are waited for: the longest call and the look
    afterwards. The removal itself is done by a process of its own, which nothing of this can cut.
    """
    signal.signal(signal.SIGINT, _wait)
    _on_host(session, *KIT, "apply", *session.posargs, seconds=APPLY_SECONDS)


@nox.session(venv_backend="none", default=False)
def tui(session: nox.Session) -> None:
    """Open the console. Options after `--` are those of `hygiene-tui`."""
    session.run(sys.executable, "-m", "hygiene_tui", *session.posargs, external=True)


@nox.session(venv_backend="none", default=False)
def demo(session: nox.Session) -> None:
    """Report on the recorded demo host."""
    _on_host(session, *KIT, "demo", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Format and lint."""
    session.install("-e", ".[lint]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the product, of this file and of the lab."""
    session.install("-e", ".[lint]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, the real engines included; every branch of `decide/` must be covered."""
    session.install("-e", ".[test]")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("coverage", "run", "-m", "pytest", "tests")
    session.run("coverage", "report", "--include=hygiene_core/decide/*", "--fail-under=100", "--skip-covered")


@nox.session(python="3.13")
def compat(session: nox.Session) -> None:
    """Run the fast tests on the newest supported Python."""
    session.install("-e", ".[test]")
    session.run("pytest", *FAST_TESTS)


@nox.session(venv_backend="none", default=False)
def lab(session: nox.Session) -> None:
    """Start a lab engine for a person: `nox -s lab -- up stable --scene`."""
    session.run(
        sys.executable,
        "-m",
        "tests.lab",
        *(session.posargs or ["--help"]),
        external=True,
        interrupt_timeout=10,  # it takes its hosts down first
        terminate_timeout=30,
    )


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure, and print a table of ratios. Nothing fails by being slow."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.bench", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """The long fault campaigns at their full count."""
    session.install("-e", ".[test]")
    session.run(
        "pytest",
        "tests/faults",
        "tests/engine/test_watch.py",
        *session.posargs,
        env={
            "HYGIENE_SOAK_KILLS": os.environ.get("HYGIENE_SOAK_KILLS", "500"),
            "HYGIENE_SOAK_APPLY_KILLS": os.environ.get("HYGIENE_SOAK_APPLY_KILLS", "300"),
            "HYGIENE_SOAK_EVENTS": os.environ.get("HYGIENE_SOAK_EVENTS", "10000"),
            "HYGIENE_SHORT_JOBS": os.environ.get("HYGIENE_SHORT_JOBS", "500"),
        },
    )


@nox.session(default=False)
def mutation(session: nox.Session) -> None:
    """Change the code of `decide/` in small ways and see which changes no test notices."""
    session.install("-e", ".[test,mutation]")
    shutil.rmtree("mutants", ignore_errors=True)
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")
