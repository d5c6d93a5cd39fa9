// SPDX-License-Identifier: Apache-2.0
// container, image, volume, network exists: for scripts, by the exit code alone.
#include <array>

#include "base/error.h"
#include "cli/context.h"
#include "cli/registry.h"

namespace servin::cli {
namespace {

constexpr std::string_view text = "Prints nothing. The exit code is 0 when there is one, 1 when there is none.";

template <typename F>
int found(F&& look) {
  try {
    look();
    return 0;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::not_found) throw;
    return 1;
  }
}

int container_exists(Context& context, const Parsed& parsed) {
  return found([&] { context.engine().inspect(parsed.args[0]); });
}
int image_exists(Context& context, const Parsed& parsed) {
  return found([&] { context.engine().inspect_image(parsed.args[0]); });
}
int volume_exists(Context& context, const Parsed& parsed) {
  return found([&] { context.engine().inspect_volume(parsed.args[0]); });
}
int network_exists(Context& context, const Parsed& parsed) {
  return found([&] { context.engine().inspect_network(parsed.args[0]); });
}

constexpr auto container_examples = std::to_array<Example>(
    {{"container exists web || servin run -d --name web nginx", "make it when it is not there"}});
constexpr auto image_examples = std::to_array<Example>({{"image exists myapp:1 || servin load -i myapp.tar", ""}});
constexpr auto volume_examples = std::to_array<Example>({{"volume exists data || servin volume create data", ""}});
constexpr auto network_examples = std::to_array<Example>({{"network exists app || servin network create app", ""}});

constexpr CommandSpec exists(std::string_view name, std::string_view argument, std::string_view summary,
                             Complete complete, std::span<const Example> examples, Handler handler) {
  return {.name = name,
          .group = group::engine,
          .arguments = argument,
          .summary = summary,
          .text = text,
          .min_args = 1,
          .max_args = 1,
          .complete = complete,
          .examples = examples,
          .handler = handler};
}

const CommandSpec table[] = {
    exists("container exists", "CONTAINER", "is there such a container?", Complete::container, container_examples,
           container_exists),
    exists("image exists", "IMAGE", "is there such an image?", Complete::image, image_examples, image_exists),
    exists("volume exists", "VOLUME", "is there such a volume?", Complete::volume, volume_examples, volume_exists),
    exists("network exists", "NETWORK", "is there such a network?", Complete::network, network_examples,
           network_exists),
};

}  // namespace

std::span<const CommandSpec> exists_commands() { return table; }

}  // namespace servin::cli
