// SPDX-License-Identifier: Apache-2.0
// Containers, images, archives, volumes.
#include <array>

#include "cli/catalogue.h"

namespace servin::cli {
namespace {

constexpr auto entries = std::to_array<CatalogueEntry>({
    {"E-CONTAINER-NOT-FOUND", "there is no such container",
     "No container has this name, this id, or an id that begins like this. Containers started with --rm are gone when "
     "they have ended.",
     "List all of them, the ended ones too.", "servin ls -a"},
    {"E-ID-AMBIGUOUS", "several containers' ids begin like this",
     "The beginning of an id must belong to one container only.", "Use more digits of the id, or the name.",
     "servin ls -a --no-trunc"},
    {"E-NAME-TAKEN", "the name belongs to another container",
     "Names are unique, also among containers that have ended.",
     "Choose another name, or remove or rename the other container.", "servin rm OTHER"},
    {"E-NAME-INVALID", "this cannot be a name",
     "Names are made of letters, digits, \"_\", \".\" and \"-\", begin with a letter or digit, and are at most 128 "
     "long.",
     "Choose another name.", "servin run --name web_1 base true"},
    {"E-RUNNING", "the container is running", "What was asked for needs a container that does not run.",
     "Stop it first, or use --force where there is one.", "servin stop NAME"},
    {"E-NOT-RUNNING", "the container is not running",
     "What was asked for needs a running container: signals, exec, attach, top, pause, and sharing its namespaces.",
     "Start it, or look at why it ended.", "servin logs NAME; servin start NAME"},
    {"E-PAUSED", "the container is paused", "Its processes are frozen; nothing can run in it until it goes on.",
     "Let it go on first.", "servin unpause NAME"},
    {"E-RESTARTING", "the container is about to be started again",
     "It has ended, and its restart policy brings it back after a pause that grows with each failure. Until then "
     "nothing "
     "can run in it.",
     "Wait until it runs, or see in its log why it ends.", "servin logs NAME; servin stop NAME"},
    {"E-NO-HEALTHCHECK", "the container has no health check",
     "Neither the image nor the command line says how to check it, or --no-healthcheck was given.", "Give it one.",
     "servin run -d --health-cmd 'curl -f http://localhost/' IMAGE"},
    {"E-NOT-PAUSED", "the container is not paused", "Only a paused container can go on.", "Look at its state.",
     "servin ls -a"},
    {"E-NO-COMMAND", "there is nothing to run", "Neither the command line nor the image says which program to run.",
     "Name a command behind the image, or give --entrypoint.", "servin run IMAGE sh"},
    {"E-COMMAND-NOT-FOUND", "the command is not in the container",
     "No file of this name exists in the container: not at the given path, or in no folder of its PATH. Exit code 127. "
     "A script also needs its interpreter (the word behind #!), a dynamic program its loader.",
     "Check the spelling and what the image contains.", "servin run --rm --entrypoint sh IMAGE -c 'echo $PATH'"},
    {"E-COMMAND-NOT-EXECUTABLE", "the command cannot be executed",
     "The file is there but has no x permission, is a folder, is made for another processor, or has neither a program "
     "header nor a #! line. Exit code 126.",
     "Give it the x bit, or run it through its interpreter.", "servin run IMAGE sh ./script"},
    {"E-WORKDIR", "the working folder cannot be entered",
     "The folder does not exist and cannot be made (exec makes none), is no folder, or is not absolute. Exit code 127 "
     "when "
     "it does not exist, 126 when it is of no use.",
     "Give another one.", "servin run -w / IMAGE COMMAND"},
    {"E-USER-UNKNOWN", "the user or group is not in the image",
     "Names are looked up in the image's own /etc/passwd and /etc/group.", "Use a name that it has, or a number.",
     "servin run --user 1000:1000 IMAGE COMMAND"},
    {"E-USER-INVALID", "this is no user",
     "A user is written NAME, NUMBER, NAME:GROUP or NUMBER:NUMBER; numbers are below 4294967295.",
     "Write it in one of these forms.", "servin run --user 1000:1000 IMAGE COMMAND"},
    {"E-NO-LOG", "the container keeps no log", "It was made with --log-driver none, so what it wrote was not kept.",
     "Attach to see what it writes from now on.", "servin attach NAME"},
    {"E-LOG-ELSEWHERE", "the log is kept by somebody else",
     "With --log-driver journald or syslog the output is handed on and not kept here.",
     "Read it where it went; --log-driver json-file or local keeps it here.", "journalctl CONTAINER_NAME=NAME"},
    {"E-LOG-RECEIVER", "nobody takes the log",
     "--log-driver journald or syslog needs a service that listens on its socket.",
     "Start the service, or keep the log in a file.", "servin run --log-driver json-file IMAGE"},
    {"E-KILL-TIMEOUT", "the container does not end although it was killed",
     "SIGKILL was sent, but a process waits inside the kernel (a hanging network file system or device does this) and "
     "cannot go yet.",
     "Look for the process and what it waits for, then try again.", "servin top NAME"},
    {"E-SUPERVISOR-LOST", "the container's supervisor is gone",
     "The servin-shim of the container was killed, so the connection ended and nobody can tell how the container "
     "ended.",
     "Look at its state; removing it cleans up what is left.", "servin rm -f NAME"},
    {"E-SUPERVISOR-STUCK", "the container's supervisor does not answer",
     "The servin-shim of the container was stopped by a signal or hangs. The container itself goes on, but nobody can "
     "attach to it or learn how it ends. stop, kill and rm --force reach its process without the supervisor.",
     "Let the supervisor go on; the message names its pid.", "kill -CONT PID"},
    {"E-OBJECT-NOT-FOUND", "nothing has this name", "There is no container, image, volume or network of this name.",
     "List them.", "servin ls -a; servin images; servin volume ls; servin network ls"},
    {"E-IMAGE-NOT-FOUND", "the image is not here",
     "No image has this name or id, and it could not be pulled: the message says why.",
     "List the images, pull it, or load it from a file.", "servin images --no-trunc"},
    {"E-IMAGE-AMBIGUOUS", "several images' ids begin like this",
     "The beginning of an id must belong to one image only.", "Use more digits of the id, or a name.",
     "servin images --no-trunc"},
    {"E-IMAGE-IN-USE", "a container uses the image", "Images that containers use cannot be removed.",
     "Remove the containers first.", "servin ls -a --filter ancestor=IMAGE"},
    {"E-IMAGE-PLATFORM", "the image is not for this platform",
     "None of the archive's or index's images is made for the asked platform.",
     "Ask for one that it has, or load the image for this machine.", "servin load --platform linux/arm64 -i image.tar"},
    {"E-IMAGE-INVALID", "this is no valid image",
     "A document of the image (index, manifest or config) breaks the rules of the OCI image format, is too large or "
     "too deep, or names the same key twice.",
     "Save the image again with the tool that made it.", "skopeo copy oci:LAYOUT oci-archive:image.tar"},
    {"E-IMAGE-DAMAGED", "content of the image does not match its digest",
     "A blob or layer is not what its digest says: it was damaged on the way or on the disk.",
     "Load the image again; the store repairs what it can.", "servin system doctor --verify --repair"},
    {"E-LAYER-MISSING", "an unpacked layer is gone",
     "A folder below the engine's snapshots was removed by somebody else.",
     "Let the store unpack it anew from its blobs.", "servin system doctor --verify --repair"},
    {"E-TEMPLATE-NOT-FOUND", "there is no such template", "Templates are the images that are built into servin.",
     "List them.", "servin image template ls"},
    {"E-ARCHIVE-UNSAFE", "the archive tries to leave its place",
     "A name in the archive leads out of the folder that it is unpacked to: by \"..\", through a link, or as a hard "
     "link to the outside. Nothing of it was kept.",
     "Do not use this archive; ask where it comes from.", ""},
    {"E-ARCHIVE-DAMAGED", "the archive is damaged",
     "It ends early, a checksum does not fit, or its bytes follow no known format of archive or compression.",
     "Copy or download it again and compare its checksum.", "sha256sum image.tar"},
    {"E-ARCHIVE-LIMIT", "the archive is larger than allowed",
     "A layer has more entries, or unpacks to more bytes, than the limits that protect against archive bombs. Nothing "
     "of it was kept.",
     "If you trust it, raise the limit.", "servin load --max-size 200g --max-entries 10000000 -i image.tar"},
    {"E-ARCHIVE-TERMINAL", "an archive does not belong on a terminal",
     "load or cp would read an archive from the keyboard, or save, export or cp write one onto the screen.",
     "Name a file or redirect.", "servin save -o image.tar IMAGE"},
    {"E-PATH-NOT-FOUND", "there is no such path in the container",
     "Nothing has this name in the container. Paths start at its root, and links in it lead to places inside of it.",
     "Look at what is there.", "servin fs ls NAME /"},
    {"E-PATH-EXISTS", "the path is there already", "The container has a file or folder of this name.",
     "Choose another name, or use -p if a folder that is there will do.", "servin fs mkdir -p NAME /path"},
    {"E-PATH-KIND", "the path is of the wrong kind",
     "A file is where a folder is needed, or the other way round. Files do not replace folders nor folders files, and "
     "devices are never opened.",
     "Look at what it is, and choose another path.", "servin fs stat NAME /path"},
    {"E-PATH-NOT-EMPTY", "the folder is not empty", "Only empty folders are removed or replaced just so.",
     "Remove it with what lies in it.", "servin fs rm -r NAME /path"},
    {"E-PATH-READ-ONLY", "the path is read-only",
     "The container has it on a read-only root file system (--read-only) or on a read-only mount.",
     "Write to another place, or to the mount's source.", "servin inspect NAME"},
    {"E-PATH-MOUNTED", "something is mounted there",
     "The container has a volume, folder or file mounted at this path, which cannot be removed, moved or replaced.",
     "Work on what lies in it.", "servin inspect NAME"},
    {"E-VOLUME-NOT-FOUND", "there is no such volume", "No volume has this name.", "List them.", "servin volume ls"},
    {"E-VOLUME-IN-USE", "a container uses the volume",
     "Volumes that containers use, running or not, cannot be removed.", "Remove the containers first.",
     "servin ls -a --filter volume=NAME"},
    {"E-VOLUME-EXISTS", "the volume is there already, with other options",
     "Options say what a volume is; they cannot change while it exists.", "Choose another name, or remove it first.",
     "servin volume inspect NAME"},
    {"E-VOLUME-SIZE", "this volume cannot be held to a size",
     "A size needs a file system of its own: memory (tmpfs) or a disk. A plain volume is a folder of the engine's "
     "disk.",
     "Use one of these.", "servin volume create --opt type=tmpfs --opt size=100m NAME"},
    {"E-VOLUME-MOUNT", "the volume's file system cannot be mounted",
     "A volume with --opt type=... is mounted when the first container uses it, and the kernel refused: it does not "
     "know "
     "the file system, the device is not there, or the options are not its own.",
     "Look at what it is made of.", "servin volume inspect NAME"},
});

}  // namespace

std::span<const CatalogueEntry> catalogue_of_objects() { return entries; }

}  // namespace servin::cli
