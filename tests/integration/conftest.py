# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the integration tests, and a deadline for every test. docs/testing.md explains them."""
import contextlib
import faulthandler
import os
import pathlib
import signal

import pytest

from support.engine import DISK, MEMORY, PROGRAM, Engine, sweep
from support.hostcanary import HostCanary
from support.hosts import other_machine
from support.images import Images
from support.registry import FakeRegistry

DEADLINE = 120  # seconds; @pytest.mark.deadline(N) for a test that needs more


def pytest_configure(config):
    config.addinivalue_line("markers", "deadline(seconds): the time this test may take")
    config.addinivalue_line("markers", "in_memory: the engine's folder is on a tmpfs")
    config.addinivalue_line("markers", "deep: only in the deep lane (SERVIN_DEEP=1)")


def pytest_collection_modifyitems(items):
    if os.environ.get("SERVIN_DEEP") == "1":
        return
    for item in items:
        if item.get_closest_marker("deep"):
            item.add_marker(pytest.mark.skip(reason="deep lane: ./dev test deep"))


def pytest_sessionstart():
    if os.geteuid() != 0:
        pytest.exit("the integration tests make containers as root: run ./dev test as root", returncode=2)
    if not os.access(PROGRAM, os.X_OK):
        pytest.exit(f"no program {PROGRAM}: ./dev build makes it", returncode=2)
    sweep()


# --- deadlines

@contextlib.contextmanager
def limited(seconds, what):
    def late(_signal, _frame):
        raise AssertionError(f"{what} took longer than its {seconds} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    # Where the exception cannot help (a call that does not return to Python), the stacks at least reach the log.
    faulthandler.dump_traceback_later(seconds + 60, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    mark = item.get_closest_marker("deadline")
    seconds = mark.args[0] if mark else DEADLINE
    with limited(seconds, item.nodeid):
        yield


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.call_passed = outcome.get_result().passed


# --- fixtures

@pytest.fixture(scope="session")
def images():
    """Real images made by foreign tools: images.path("debian", "oci.tar.zst")."""
    return Images()


def _finish(engine, passed):
    with limited(90, "cleaning up after the test"):
        if not passed:
            for line in engine.leftovers():
                print("at the failure:", line)
        engine.close(check=passed)


@pytest.fixture
def engine(request, images):
    """An engine of its own for this test; after it the host must be as before."""
    engine = Engine(images, MEMORY if request.node.get_closest_marker("in_memory") else DISK)
    yield engine
    _finish(engine, getattr(request.node, "call_passed", False))


@pytest.fixture(scope="module")
def module_engine(request, images):
    """One engine for all tests of a file, for what is slow to set up and only looked at."""
    engine = Engine(images)
    failed = request.session.testsfailed
    yield engine
    _finish(engine, request.session.testsfailed == failed)


@pytest.fixture
def make_engine(request, images):
    """More engines in one test: make_engine()."""
    engines = []

    def make():
        engines.append(Engine(images))
        return engines[-1]

    yield make
    for engine in engines:
        _finish(engine, getattr(request.node, "call_passed", False))


@pytest.fixture
def canary(engine):
    """A decoy tree on the host beside the engine's root; checked after the test."""
    canary = HostCanary(pathlib.Path(engine.dir, "canary"))
    yield canary
    canary.check()


@pytest.fixture(scope="session")
def source():
    """The top folder of the source tree."""
    return pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def machine():
    with other_machine() as name:
        yield name


@pytest.fixture
def cleanup():
    """Things with a close(), which is called after the test, the last one first."""
    things = []
    yield things
    for thing in reversed(things):
        thing.close()


@pytest.fixture
def registry():
    registry = FakeRegistry()
    yield registry
    registry.close()
