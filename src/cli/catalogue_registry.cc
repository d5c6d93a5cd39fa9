// SPDX-License-Identifier: Apache-2.0
// Registries: pull, push, login, search.
#include <array>

#include "cli/catalogue.h"

namespace servin::cli {
namespace {

constexpr auto entries = std::to_array<CatalogueEntry>({
    {"E-REGISTRY-UNREACHABLE", "the registry cannot be reached",
     "Its name is not known, nobody answers there, or the connection broke more often than it is worth trying.",
     "Check the name, this machine's connection, and HTTPS_PROXY and NO_PROXY.", "curl -v https://REGISTRY/v2/"},
    {"E-REGISTRY-TLS", "there is no trusted TLS connection to the registry",
     "Its certificate is signed by nobody whom this machine trusts, is for another name or has expired; it wants a "
     "certificate of ours; or it speaks no TLS at all.",
     "Put its CA's certificate into certs.d as ca.crt, and a certificate of ours as client.cert with client.key. For a "
     "registry without TLS: \"insecure = true\" in registries.conf.",
     "cp ca.crt /etc/containers/certs.d/REGISTRY/ca.crt"},
    {"E-REGISTRY-PROXY", "the proxy on the way to the registry does not let us through",
     "HTTPS_PROXY or HTTP_PROXY names a proxy that cannot be reached, wants a user and a password, or refuses.",
     "Correct the variable, or put the registry into NO_PROXY if it can be reached without.",
     "HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT servin pull IMAGE"},
    {"E-REGISTRY-TOKEN-SERVER", "the registry wants our credentials sent to another domain",
     "It names a token server that does not belong to its own domain. They were not sent: who answers for the registry "
     "could collect passwords in this way.",
     "If the host is known to be the registry's token server, name it in SERVIN_TOKEN_SERVERS (several with commas).",
     "SERVIN_TOKEN_SERVERS=auth.example.net servin pull IMAGE"},
    {"E-REGISTRY-STALLED", "the registry does not send any more",
     "The connection is there, but less than 1 KiB a second came for half a minute, several times.",
     "Try again: what has arrived is kept and not fetched twice. SERVIN_TRANSFER_STALL=SECONDS waits longer.",
     "SERVIN_TRANSFER_STALL=120 servin pull IMAGE"},
    {"E-REGISTRY-LIES", "the registry sends something else than it says",
     "Bytes that do not have their digest or size, a stream without end, a document of the wrong kind, headers without "
     "end. Nothing of it was kept.",
     "Try another mirror or registry, and tell its administrator.", "servin --log-level debug pull IMAGE"},
    {"E-REGISTRY-REDIRECT", "the registry leads to a place that is refused",
     "A redirect or a token server is not on https, goes in circles, or lies in a network that the registry is not in "
     "itself: this machine, a private network, 169.254.0.0/16. Credentials were not sent there.",
     "If the registry is yours, correct what it says of itself; else do not use it.", ""},
    {"E-REGISTRY-DENIED", "the registry does not let us",
     "The user or password is wrong, a login is missing, or the account may not read or write this.",
     "Log in, or check the account's rights. Docker Hub says this too when there is no such image.",
     "servin login REGISTRY"},
    {"E-REGISTRY-NOT-FOUND", "the registry has no such image", "The name or the tag does not exist there.",
     "Check the spelling; list what is there.", "servin search REGISTRY/WORD"},
    {"E-REGISTRY-LIMIT", "the registry has had enough requests",
     "It answers 429: too many requests from this address or account.",
     "Wait as long as the message says, or log in: accounts have higher limits.", "servin login"},
    {"E-REGISTRY-FAILED", "the registry failed", "It answered with an error of its own, several times.",
     "Try again later; if the registry is yours, look at its log.", ""},
    {"E-REGISTRY-SCHEMA1", "the image is in a format that is too old",
     "The registry has it as docker's schema 1 only, which was given up in 2016 and carries no digests to check.",
     "Push it again with a newer tool.", "docker pull IMAGE && docker push IMAGE"},
    {"E-IMAGE-FOREIGN-LAYER", "a layer of the image lies outside of the registry",
     "Its licence kept it out (\"foreign\" or \"nondistributable\"), and the image names addresses where it lies. They "
     "are "
     "not asked: an image's author must not choose whom this machine talks to.",
     "Push the image again to a registry of your own with all of its layers.", ""},
    {"E-IMAGE-NAME-SHORT", "a short name that several registries may have",
     "unqualified-search-registries lists several, and either short-name-mode is \"enforcing\" or --creds were given, "
     "which "
     "are for one of them only.",
     "Write the full name, or an alias into registries.conf: [aliases] \"NAME\" = \"REGISTRY/NAME\".",
     "servin pull REGISTRY/NAME"},
    {"E-REGISTRY-BLOCKED", "the registry is blocked on this machine",
     "\"blocked = true\" stands in registries.conf for it.", "Ask the administrator, or use another registry.",
     "grep -r -B3 blocked /etc/containers"},
    {"E-REGISTRIES-CONF", "registries.conf cannot be read",
     "The file is not of the form that containers-registries.conf(5) describes.",
     "Correct the line that the message names.", "man containers-registries.conf"},
    {"E-AUTH-FILE", "the file of credentials cannot be read",
     "docker's config.json or podman's auth.json is damaged, or not readable.",
     "Correct it, or remove it and log in again.", "servin login REGISTRY"},
    {"E-CREDENTIAL-HELPER", "the credential helper failed",
     "config.json names a program docker-credential-NAME that is not installed or fails.",
     "Install it, or take credsStore or credHelpers out of config.json.", "echo REGISTRY | docker-credential-NAME get"},
    {"E-NOT-LOGGED-IN", "there are no credentials to forget", "No file has credentials for this registry.",
     "Nothing to do.", "servin login REGISTRY"},
    {"E-IMAGE-BUILT-IN", "the image is built in", "\"base\" is part of servin and comes from no registry.",
     "Give it a name that a registry can have.", "servin tag base REGISTRY/base"},
    {"E-TRANSFER-LOST", "servin-transfer is gone",
     "The program that talks to registries was killed, or failed. What had arrived is kept.", "Try again.",
     "servin pull IMAGE"},
});

}  // namespace

std::span<const CatalogueEntry> catalogue_of_registries() { return entries; }

}  // namespace servin::cli
