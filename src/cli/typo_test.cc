// SPDX-License-Identifier: Apache-2.0
// 200 slips of the finger (a letter left out, doubled, swapped with its neighbour, or the key beside it) and the words
// that were meant; and words that mean nothing here, for which a suggestion would be wrong.
#include <array>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

struct Typo {
  std::string_view typed, meant;
};

constexpr auto typos = std::to_array<Typo>({
    {"listt", "list"},
    {"nfo", "info"},
    {"lod", "load"},
    {"volue", "volume"},
    {"ause", "pause"},
    {"sttach", "attach"},
    {"unpase", "unpause"},
    {"attah", "attach"},
    {"sstop", "stop"},
    {"bolume", "volume"},
    {"savve", "save"},
    {"attacch", "attach"},
    {"tsop", "stop"},
    {"vollume", "volume"},
    {"systtem", "system"},
    {"versiom", "version"},
    {"lisr", "list"},
    {"olgs", "logs"},
    {"hhelp", "help"},
    {"volmue", "volume"},
    {"contianer", "container"},
    {"ystem", "system"},
    {"inages", "images"},
    {"hisotry", "history"},
    {"attac", "attach"},
    {"strat", "start"},
    {"systrm", "system"},
    {"umport", "import"},
    {"emove", "remove"},
    {"completoin", "completion"},
    {"waut", "wait"},
    {"ryn", "run"},
    {"kil", "kill"},
    {"creeate", "create"},
    {"resttart", "restart"},
    {"rxec", "exec"},
    {"kilk", "kill"},
    {"imaeg", "image"},
    {"svae", "save"},
    {"vrrsion", "version"},
    {"rstart", "restart"},
    {"restarrt", "restart"},
    {"unpuse", "unpause"},
    {"loaad", "load"},
    {"wit", "wait"},
    {"attahc", "attach"},
    {"llist", "list"},
    {"insoect", "inspect"},
    {"temove", "remove"},
    {"puse", "pause"},
    {"iinspect", "inspect"},
    {"ist", "list"},
    {"runn", "run"},
    {"savee", "save"},
    {"restrat", "restart"},
    {"kogs", "logs"},
    {"stoo", "stop"},
    {"renove", "remove"},
    {"sstart", "start"},
    {"lload", "load"},
    {"apuse", "pause"},
    {"ihstory", "history"},
    {"ehlp", "help"},
    {"loggs", "logs"},
    {"innfo", "info"},
    {"impoort", "import"},
    {"comppletion", "completion"},
    {"imsges", "images"},
    {"ompletion", "completion"},
    {"imoprt", "import"},
    {"pasue", "pause"},
    {"lgs", "logs"},
    {"stopp", "stop"},
    {"paues", "pause"},
    {"sysem", "system"},
    {"inof", "info"},
    {"srop", "stop"},
    {"remoove", "remove"},
    {"improt", "import"},
    {"inspevt", "inspect"},
    {"sttart", "start"},
    {"volumr", "volume"},
    {"restatt", "restart"},
    {"loogs", "logs"},
    {"ru", "run"},
    {"ifo", "info"},
    {"atttach", "attach"},
    {"rnu", "run"},
    {"imagees", "images"},
    {"ilst", "list"},
    {"creaet", "create"},
    {"lpad", "load"},
    {"imagee", "image"},
    {"imaes", "images"},
    {"histoory", "history"},
    {"rrun", "run"},
    {"restsrt", "restart"},
    {"completin", "completion"},
    {"umages", "images"},
    {"conainer", "container"},
    {"imagrs", "images"},
    {"rn", "run"},
    {"lisst", "list"},
    {"insprct", "inspect"},
    {"upnause", "unpause"},
    {"attch", "attach"},
    {"inspetc", "inspect"},
    {"ynpause", "unpause"},
    {"puase", "pause"},
    {"hlep", "help"},
    {"--intrractive", "--interactive"},
    {"--uset", "--user"},
    {"--ttty", "--tty"},
    {"--sydctl", "--sysctl"},
    {"--uliimit", "--ulimit"},
    {"--privieged", "--privileged"},
    {"--evn", "--env"},
    {"--devce", "--device"},
    {"--sceurity-opt", "--security-opt"},
    {"--enntrypoint", "--entrypoint"},
    {"--owrkdir", "--workdir"},
    {"--pbulish", "--publish"},
    {"--ssyctl", "--sysctl"},
    {"--oom-score-afj", "--oom-score-adj"},
    {"--privleged", "--privileged"},
    {"--voluume", "--volume"},
    {"--omunt", "--mount"},
    {"--cpu-share", "--cpu-shares"},
    {"--meory", "--memory"},
    {"--rntrypoint", "--entrypoint"},
    {"--secutity-opt", "--security-opt"},
    {"--aannotation", "--annotation"},
    {"--loog-driver", "--log-driver"},
    {"--newtork", "--network"},
    {"--log-ddriver", "--log-driver"},
    {"--devvice", "--device"},
    {"--readonly", "--read-only"},
    {"--nv-file", "--env-file"},
    {"--stop-timeeout", "--stop-timeout"},
    {"--resttart", "--restart"},
    {"--oom-scorr-adj", "--oom-score-adj"},
    {"--cap--drop", "--cap-drop"},
    {"--security-optt", "--security-opt"},
    {"--intersctive", "--interactive"},
    {"--vvolume", "--volume"},
    {"--muont", "--mount"},
    {"--volum", "--volume"},
    {"--tpmfs", "--tmpfs"},
    {"--capadd", "--cap-add"},
    {"--pubblish", "--publish"},
    {"--deice", "--device"},
    {"--smh-size", "--shm-size"},
    {"--en-vfile", "--env-file"},
    {"--pulish", "--publish"},
    {"--tmps", "--tmpfs"},
    {"--pidss-limit", "--pids-limit"},
    {"--sop-timeout", "--stop-timeout"},
    {"--cp-shares", "--cpu-shares"},
    {"--labl", "--label"},
    {"--nev", "--env"},
    {"--workdiir", "--workdir"},
    {"--cidfilr", "--cidfile"},
    {"--pruvileged", "--privileged"},
    {"--ccap-add", "--cap-add"},
    {"--stop-timeour", "--stop-timeout"},
    {"--stop-timeot", "--stop-timeout"},
    {"--iinit", "--init"},
    {"--nv", "--env"},
    {"--shm-sie", "--shm-size"},
    {"--devic", "--device"},
    {"--ennv", "--env"},
    {"--cpu-shaes", "--cpu-shares"},
    {"--moun", "--mount"},
    {"--moynt", "--mount"},
    {"--mempry", "--memory"},
    {"--cap-dd", "--cap-add"},
    {"--netwrk", "--network"},
    {"--deatch", "--detach"},
    {"--resart", "--restart"},
    {"--pid-limit", "--pids-limit"},
    {"--stops-ignal", "--stop-signal"},
    {"--platforn", "--platform"},
    {"--entryypoint", "--entrypoint"},
    {"--qorkdir", "--workdir"},
    {"--vap-add", "--cap-add"},
    {"--stopxtimeout", "--stop-timeout"},
    {"--tmmpfs", "--tmpfs"},
    {"--munt", "--mount"},
    {"--lo-gdriver", "--log-driver"},
    {"--cidfiel", "--cidfile"},
    {"--shm-sizee", "--shm-size"},
    {"--dtop-signal", "--stop-signal"},
    {"--ty", "--tty"},
    {"--debice", "--device"},
    {"--derach", "--detach"},
    {"--tmfps", "--tmpfs"},
    {"--nmae", "--name"},
    {"--eentrypoint", "--entrypoint"},
    {"--acp-add", "--cap-add"},
    {"--labek", "--label"},
});

constexpr auto strangers = std::to_array<std::string_view>({
    "deploy", "kubernetes", "apply",   "describe", "rollout",  "checkout", "merge",      "rebase",   "branch", "fetch",
    "clone",  "upgrade",    "install", "daemon",   "machine",  "swarm",    "node",       "secret",   "stack",  "plugin",
    "trust",  "manifest",   "buildx",  "scan",     "sbom",     "scout",    "frobnicate", "xyzzy",    "hello",  "world",
    "python", "node20",     "nginx",   "apt",      "yum",      "make",     "ninja",      "cargo",    "brew",   "sudo",
    "qwertz", "asdfgh",     "zoom",    "quit",     "shutdown", "reboot",   "mount2go",   "whatever", "42",     "foo",
});

std::vector<std::string> known_words(std::string_view typed) {
  if (!typed.starts_with("--")) return first_words();
  std::vector<std::string> words;
  find_command("run")->each_option([&](const OptionSpec& option) {
    for (std::string& name : split(option.names, ',')) words.push_back(std::move(name));
  });
  return words;
}

TEST(Typos, FirstSuggestionIsRight) {
  std::size_t right = 0;
  std::string wrong;
  for (const Typo& typo : typos) {
    std::vector<std::string> found = did_you_mean(typo.typed, known_words(typo.typed));
    if (!found.empty() && found.front() == typo.meant) {
      ++right;
    } else {
      wrong += std::string(typo.typed) + " -> " + (found.empty() ? "nothing" : found.front()) + "\n";
    }
  }
  EXPECT_EQ(typos.size(), 200U);
  EXPECT_GE(right * 100, typos.size() * 95) << wrong;
}

TEST(Typos, StrangeWordsGetNoSuggestion) {
  std::string wrong;
  std::size_t count = 0;
  for (std::string_view word : strangers) {
    auto found = did_you_mean(word, first_words());
    if (found.empty()) continue;
    ++count;
    wrong += std::string(word) + " -> " + found.front() + "\n";
  }
  EXPECT_LE(count * 100, strangers.size() * 2) << wrong;
}

}  // namespace
}  // namespace servin::cli
