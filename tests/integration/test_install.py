# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` puts down works from there, without the build folder."""
import pathlib
import subprocess


def test_install(engine, tmp_path):
    build = pathlib.Path(engine.program).parents[1]
    subprocess.run(["cmake", "--install", build, "--prefix", tmp_path], check=True, capture_output=True)
    installed = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert installed == ["bin/servin", "libexec/servin/servin-netd", "libexec/servin/servin-shim", "libexec/servin/servin-transfer"]
    engine.program = str(tmp_path / "bin/servin")
    assert engine.ok("run", "--rm", "base", "echo", "hello").out == "hello\n"
