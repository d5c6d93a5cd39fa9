# SPDX-License-Identifier: Apache-2.0
"""TLS with registries: whom we trust, who we are, and what is said when it comes to nothing."""
import os
import pathlib
import shutil
import ssl
import subprocess

import pytest

from support.registry import FakeRegistry, Registry, TestImage, certs_folder, make_ca, past_dates

ONCE = {"SERVIN_TRANSFER_TRIES": "1"}
PLACES = ["/etc/docker/certs.d", "/etc/containers/certs.d"]


def tls_registry(cleanup, files, **more):
    registry = FakeRegistry(tls={**files, **more})
    cleanup.append(registry)
    registry.put("x:1", TestImage())
    return registry


def certs(engine, **files):
    """A folder for --cert-dir."""
    folder = pathlib.Path(engine.dir, f"certs{len(os.listdir(engine.dir))}")
    folder.mkdir()
    for name, path in files.items():
        shutil.copy(path, folder / name.replace("_", "."))
    return folder


def explained(engine, *words, match, cure, env=None):
    """E-REGISTRY-TLS with the cause and the cure."""
    result = engine.fails("pull", *words, env=env or ONCE, match=match)
    assert cure in result.err, result.err
    assert result.err.splitlines()[-1] == "  more: servin help E-REGISTRY-TLS", result.err
    assert not engine.run("images", "-q").lines
    return result


@pytest.mark.parametrize("place", PLACES)
def test_folders_of_this_machine(engine, cleanup, place):
    """A CA and a client's certificate in certs.d/HOST:PORT, for a docker-registry that wants one."""
    files = make_ca(f"{engine.dir}/ca")
    registry = Registry(f"{engine.dir}/registry", files, clients=files["ca.pem"])
    cleanup.append(registry)
    name = f"{registry.host}/mine/base:1"
    with certs_folder(place, registry.host) as folder:
        explained(engine, name, match=f"registry {registry.host}: its certificate is not trusted",
                  cure=f"/etc/containers/certs.d/{registry.host}/ca.crt")
        shutil.copy(files["ca.pem"], folder / "ca.crt")
        explained(engine, name, match=f"registry {registry.host} wants a certificate of ours", cure=f"certs.d/{registry.host}/client.cert")
        shutil.copy(files["client.pem"], folder / "client.cert")
        explained(engine, name, match=f"{folder}/client.key is missing", cure="put the key there")
        shutil.copy(files["client.key"], folder / "client.key")
        engine.ok("push", "base", name)
        assert engine.ok("run", "--rm", "--network", "none", "--pull", "always", name, "echo", "x").out == "x\n"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificates_that_will_not_do(engine, cleanup, newest):
    files, others = make_ca(f"{engine.dir}/ca"), make_ca(f"{engine.dir}/others")
    registry = tls_registry(cleanup, files, **{"ask client": "yes", "newest": newest})
    name = f"{registry.host}/x:1"
    ca = files["ca.pem"]
    explained(engine, "--cert-dir", certs(engine, ca_crt=ca), name, match=f"registry {registry.host} wants a certificate of ours",
              cure="client.cert")
    stranger = certs(engine, ca_crt=ca, client_cert=others["client.pem"], client_key=others["client.key"])
    explained(engine, "--cert-dir", stranger, name, match=f"registry {registry.host} refuses our certificate", cure="*.cert and *.key")
    swapped = certs(engine, ca_crt=ca, client_cert=files["client.pem"], client_key=others["client.key"])
    explained(engine, "--cert-dir", swapped, name, match=f"registry {registry.host}: our certificate cannot be used", cure="must belong")
    good = certs(engine, ca_crt=ca, client_cert=files["client.pem"], client_key=files["client.key"])
    engine.ok("pull", "--cert-dir", good, name)


def test_a_key_with_a_password_is_not_asked_for(engine, cleanup):
    """OpenSSL would ask at the terminal, and wait there."""
    files = make_ca(f"{engine.dir}/ca")
    registry = tls_registry(cleanup, files, **{"ask client": "yes"})
    subprocess.run(["openssl", "ec", "-in", files["client.key"], "-aes256", "-passout", "pass:secret", "-out", f"{engine.dir}/locked.key"],
                   check=True, capture_output=True)
    folder = certs(engine, ca_crt=files["ca.pem"], client_cert=files["client.pem"], client_key=f"{engine.dir}/locked.key")
    terminal = engine.pty("pull", "--cert-dir", folder, f"{registry.host}/x:1")
    assert terminal.wait() == 125
    assert "our certificate cannot be used" in terminal.text and "a key without a password" in terminal.text


def test_certificates_of_the_registry_that_will_not_do(engine, cleanup):
    ca = make_ca(f"{engine.dir}/ca")
    trust = ["--cert-dir", certs(engine, ca_crt=ca["ca.pem"])]

    def served(folder, **how):
        files = make_ca(f"{engine.dir}/{folder}", **how)
        return tls_registry(cleanup, files), ["--cert-dir", certs(engine, ca_crt=files["ca.pem"])]

    expired, expired_ca = served("expired", dates=past_dates())
    other, other_ca = served("other", name="other.example")
    unknown, _ = served("unknown")
    signed_by_itself = tls_registry(cleanup, {"server.pem": ca["ca.pem"], "server.key": ca["ca.key"]})
    explained(engine, *expired_ca, f"{expired.host}/x:1", match=f"registry {expired.host}: its certificate has expired", cure="clock")
    explained(engine, *other_ca, f"{other.host}/x:1", match=f"registry {other.host}: its certificate is for another name",
              cure="use a name that the certificate has")
    explained(engine, *trust, f"{unknown.host}/x:1", match=f"registry {unknown.host}: its certificate is not trusted", cure="/ca.crt")
    explained(engine, f"{signed_by_itself.host}/x:1", match=f"registry {signed_by_itself.host}: its certificate is not trusted",
              cure=f"/etc/containers/certs.d/{signed_by_itself.host}/ca.crt")
    for registry in (expired, other, unknown, signed_by_itself):
        assert not registry.requests, "a bad certificate is no reason to try plain http"
        engine.ok("pull", "--tls-verify=false", f"{registry.host}/x:1")


WAYS = {"pull": ["pull", "{host}/x:1"], "run": ["run", "--rm", "{host}/x:1", "true"], "create": ["create", "--pull", "always", "{host}/x:1"],
        "push": ["push", "base", "{host}/x:1"], "login": ["login", "-u", "me", "--password-stdin", "{host}"], "search": ["search", "{host}/x"]}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_registry_checks_its_certificate(engine, cleanup, way):
    """CVE-2025-6032: none is left out, and nothing is said to who is not trusted."""
    registry = tls_registry(cleanup, make_ca(f"{engine.dir}/unknown"))
    auth = pathlib.Path(engine.home, ".docker/config.json")
    auth.parent.mkdir()
    auth.write_text('{"auths": {"%s": {"username": "me", "password": "very-secret-word"}}}' % registry.host)
    words = [word.format(host=registry.host) for word in WAYS[way]]
    result = engine.fails(*words, input="very-secret-word" if way == "login" else None, env=ONCE, match=registry.host)
    assert "its certificate is not trusted" in result.err and "servin help E-REGISTRY-TLS" in result.err
    assert not registry.requests


def test_old_tls_is_not_spoken(engine, cleanup):
    """TLS 1.1 at most: said so, and not tried in the clear, with or without --tls-verify=false."""
    files = make_ca(f"{engine.dir}/ca")
    registry = tls_registry(cleanup, files, newest=ssl.TLSVersion.TLSv1_1)
    for words in (["--cert-dir", certs(engine, ca_crt=files["ca.pem"])], ["--tls-verify=false"]):
        explained(engine, *words, f"{registry.host}/x:1", match=f"registry {registry.host}: no TLS connection", cure="TLS 1.2 and 1.3")
    assert not registry.requests


def test_a_ca_that_is_no_pem(engine, cleanup):
    """libcurl passes over it, and would say that nobody is trusted."""
    files = make_ca(f"{engine.dir}/ca")
    registry = tls_registry(cleanup, files)
    folder = certs(engine)
    subprocess.run(["openssl", "x509", "-in", files["ca.pem"], "-outform", "der", "-out", folder / "ca.crt"], check=True)
    explained(engine, "--cert-dir", folder, f"{registry.host}/x:1", match=f"{folder}/ca.crt holds no certificate", cure="openssl x509")


def test_insecure_in_registries_conf(engine, cleanup):
    """As --tls-verify=false, for one registry and not for its neighbour; the option goes before the file."""
    files = make_ca(f"{engine.dir}/ca")
    first, second = tls_registry(cleanup, files), tls_registry(cleanup, files)
    pathlib.Path(engine.registries_conf).write_text(f'[[registry]]\nlocation = "{first.host}"\ninsecure = true\n')
    explained(engine, f"{second.host}/x:1", match="not trusted", cure="ca.crt")
    explained(engine, "--tls-verify=true", f"{first.host}/x:1", match="not trusted", cure="ca.crt")
    engine.ok("pull", f"{first.host}/x:1")
