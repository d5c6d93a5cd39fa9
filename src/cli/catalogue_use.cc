// SPDX-License-Identifier: Apache-2.0
// The command line, options, the host.
#include <array>

#include "cli/catalogue.h"

namespace servin::cli {
namespace {

constexpr auto entries = std::to_array<CatalogueEntry>({
    {"E-COMMAND-UNKNOWN", "there is no such command",
     "The first words of the command line are no command of servin, or the code is in no catalogue.",
     "Look at the suggestion below the error, or at the list of commands.", "servin help"},
    {"E-ARGUMENTS", "too few or too many arguments", "The command needs other arguments than it got.",
     "Look at its form and its examples.", "servin help COMMAND"},
    {"E-OPTION-UNKNOWN", "the command has no such option",
     "The option is misspelled, or belongs to another command. Options of the container's own command stand behind the "
     "image.",
     "Look at the suggestion below the error, or at the command's options.", "servin help run"},
    {"E-OPTION-VALUE", "the option cannot have this value",
     "The value is missing, is not of the option's form, or is out of range.",
     "The line below the error shows a value that works.", "servin help run"},
    {"E-OPTION-CONFLICT", "the options exclude each other",
     "Two options ask for opposite things, or for the same place.", "Leave one of them out.", "servin help run"},
    {"E-NOT-BUILT", "this part is not built yet",
     "The word is known, but this version cannot do it. Nothing was done: an option is never taken and ignored.",
     "Leave it out, or see what is there.", "servin help"},
    {"E-FILTER-INVALID", "the filter is not of the form KEY=VALUE", "A filter consists of a key, \"=\" and a value.",
     "Write it like this.", "servin ls --filter status=exited"},
    {"E-FILTER-UNKNOWN", "there is no such filter", "The key of the filter is none that this list knows.",
     "Look at the suggestion below the error.", "servin ls --filter name=web"},
    {"E-FORMAT-INVALID", "the format cannot be used",
     "The template is not of the subset of Go's text/template that servin knows, or names a field that is not there.",
     "Look at the fields in the line below the error.", "servin ls --format '{{.ID}} {{.Names}}'"},
    {"E-NO-TERMINAL", "there is no terminal",
     "A terminal was asked for, or a question had to be asked, but stdin is not one.",
     "Leave -t out, or answer the question beforehand.", "servin container prune --force"},
    {"E-FILE-NOT-FOUND", "the file does not exist", "A file that the command line names is not there.",
     "Check the path.", "ls -l FILE"},
    {"E-FILE-EXISTS", "the file exists", "--cidfile never overwrites: the file could belong to a running container.",
     "Remove it or name another one.", "rm FILE"},
    {"E-NOT-ROOT", "this needs root", "Containers are made with kernel features that only root may use.",
     "Use sudo, or --dev: programs then run without isolation.", "sudo servin run base echo hello"},
    {"E-INSTALL-BROKEN", "the installation is incomplete",
     "The program servin-shim is neither beside servin nor in ../libexec/servin.", "Install servin again as a whole.",
     "./dev build"},
    {"E-NO-ISOLATION", "this needs isolation",
     "The option asks for something that only an isolated container has, but the container runs without (--isolation "
     "none, or --dev without root).",
     "Leave the option out, or run with isolation.", "sudo servin run IMAGE"},
    {"E-NETWORK-NOT-FOUND", "there is no such network",
     "There are bridge (an address of its own behind the host's), none, host (the host's network), container:NAME "
     "(that of another container) and the networks that were made by network create.",
     "List them, or make it first.", "servin network create NAME"},
    {"E-NETWORK-EXISTS", "the network is there already", "Names of networks are unique.",
     "Choose another name, or remove it first.", "servin network inspect NAME"},
    {"E-NETWORK-IN-USE", "containers are in the network",
     "A network that containers are in, running or not, cannot be removed.", "Remove the containers first.",
     "servin ls -a --filter network=NAME"},
    {"E-NETWORK-BUILT-IN", "the name of the network has a meaning of its own",
     "bridge, host and none are always there: they can be neither made nor removed.", "Choose another name.",
     "servin network ls --filter type=custom"},
    {"E-NETWORK-MEMBER", "the container cannot come into the network, or out of it",
     "It is in the network already, it is not in it, or it cannot be without it: the only one that it is in, or the "
     "one "
     "that its published ports are in while it runs.",
     "Look at its networks.", "servin inspect -f '{{json .NetworkSettings.Networks}}' NAME"},
    {"E-ADDRESS-TAKEN", "the address is somebody else's",
     "Each address of a network belongs to one container, running or not, or to the host as its gateway. The message "
     "names who has it.",
     "Choose another address, leave it out, or remove that container.", "servin network inspect NAME"},
    {"E-PORT-BUSY", "the port is taken",
     "A published port belongs to one program. The message names who listens there, where that can be seen.",
     "Stop that program, publish another port, or leave the host's port out: then a free one is taken.",
     "servin run -d --network bridge -p 80 nginx; servin port NAME"},
    {"E-PORT-NOT-PUBLISHED", "the port is not published",
     "The container runs without this port being published, or it does not run: ports are there while it does.",
     "Publish it when the container is made.", "servin port NAME"},
    {"E-HOST-ADDRESS", "the host does not have this address",
     "A port can be published at one of the host's own addresses only.", "Look which it has, or leave the address out.",
     "ip address"},
    {"E-PROTOCOL", "the kernel does not know the protocol",
     "A published port is held by a socket of its protocol, and this kernel has none for SCTP.",
     "Load the module, where there is one.", "modprobe sctp"},
    {"E-SUBNET-USED", "the host uses the network's addresses",
     "A link or route of the host (a VPN, another engine) or another network overlaps the subnet of a network: the one "
     "that is to be made, or one whose containers have addresses in it. A subnet of the engine's choice steps aside "
     "while no other container is in the network; that of the default network while none runs in it.",
     "Choose another subnet, take the host's route away, or remove these containers.",
     "ip route; servin network ls --format '{{.Name}} {{.Subnets}}'"},
    {"E-SUBNET-FULL", "there is no free address",
     "All addresses of the network's subnet belong to containers (stopped ones keep theirs), or the host itself uses "
     "every subnet that the network could have.",
     "Remove containers that are not needed.", "servin container prune"},
    {"E-MOUNT-SOURCE-MISSING", "the source of the mount does not exist",
     "--mount needs a source that is there; -v makes a missing folder.", "Make it first.", "mkdir -p /path"},
    {"E-MOUNT-SOURCE", "the source of the mount cannot be used",
     "The source was removed or replaced between the command and the start, or may not be opened.",
     "Look at the source and try again.", "ls -ld /path"},
    {"E-MOUNT-KIND", "a file can only be mounted on a file, a folder on a folder",
     "The image has something of the other kind at the target.", "Mount it at another place.",
     "servin run -v /host/file:/other IMAGE"},
    {"E-MOUNT-REFUSED", "this place cannot be mounted on",
     "The target leads out of the container, or into a part of it that protects the host (/proc, /sys).",
     "Mount it at another place.", "servin run -v /host/folder:/data IMAGE"},
    {"E-MOUNT-PROPAGATION", "the source's mount is not shared",
     "shared and slave pass mounts on between host and container, which needs a source that lies on a shared mount.",
     "Make it a shared mount first.", "mount --bind /path /path && mount --make-shared /path"},
    {"E-MOUNT-SUBPATH", "the part of the volume or image is not there",
     "A subpath names a folder or file that has to be in the volume or image already; links in it lead to places "
     "inside.",
     "Make it first, or mount the whole.", "servin run --rm -v data:/d base mkdir -p /d/part"},
    {"E-MOUNT-IDMAP", "the owners cannot be mapped",
     "U and idmap show files as the container's user's without changing them. The kernel (5.12 and later) or the "
     "source's "
     "file system cannot do that.",
     "Leave U out and give the files to the user.", "chown -R 1000:1000 /path"},
    {"E-DEVICE-NOT-FOUND", "the device does not exist", "--device names a path that is not there or is no device.",
     "Look at the host's devices.", "ls -l /dev"},
    {"E-CAP-UNKNOWN", "there is no such capability",
     "Capabilities are named as in capabilities(7), with or without CAP_; ALL means all.", "Look at the names.",
     "servin run --cap-add NET_ADMIN IMAGE"},
    {"E-ULIMIT-UNKNOWN", "there is no such resource limit", "Limits are named as in setrlimit(2), without RLIMIT_.",
     "Look at the names.", "servin run --ulimit nofile=1024 IMAGE"},
    {"E-SYSCTL-REFUSED", "the kernel setting cannot be set",
     "The setting does not belong to the container's own namespaces, would change the host, is not in this kernel, or "
     "refuses the value.",
     "Set it on the host, or leave it out.", "sysctl -a"},
    {"E-SECCOMP-PROFILE", "the seccomp profile cannot be used",
     "The file is not of docker's JSON format, or asks for something that this kernel's filters cannot do.",
     "Correct the file, or use the default.", "servin run --security-opt seccomp=unconfined IMAGE"},
    {"E-CGROUP-MISSING", "this host cannot limit that",
     "The needed cgroup controller is not there: it is switched off, or not handed down to the engine. Where neither "
     "the devices controller of cgroup v1 nor a cgroup2 tree is mounted, nothing could keep the host's devices from a "
     "container, so that only privileged ones start.",
     "See which ones there are.", "servin system doctor"},
    {"E-LIMIT-REFUSED", "the kernel refuses the limit",
     "The value of a limit is out of the range that this kernel allows: a memory limit below what the processes "
     "already use, a CPU that the host does not have.",
     "Use another value.", "servin info"},
    {"E-DISK-FULL", "the disk is full",
     "The file system of the engine's folder has no space or no inodes left. What was begun was undone.", "Make space.",
     "servin system prune; df -h /var/lib/servin"},
    {"E-LOCKED", "somebody else works on it",
     "Another servin process works on the same object and did not finish in time; the message names it.",
     "Wait for it, then try again.", "ps -p PID"},
    {"E-STATE-BUSY", "the database is busy",
     "Another process holds the engine's database for unusually long: a stopped process, or a very slow disk.",
     "Look for it, then try again.", "ps aux | grep servin"},
    {"E-STATE-DAMAGED", "the engine's records are damaged",
     "A file of the engine's state is not what it wrote: a damaged disk, or somebody edited it.",
     "Let the engine check itself.", "servin system doctor --repair"},
    {"E-STATE-NEWER", "a newer servin made this state",
     "The database was written by a later version; this one would damage it.",
     "Use the newer version, or another --root.", "servin --root /tmp/other ls"},
});

}  // namespace

std::span<const CatalogueEntry> catalogue_of_use() { return entries; }

}  // namespace servin::cli
