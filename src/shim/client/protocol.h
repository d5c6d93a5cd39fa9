// SPDX-License-Identifier: Apache-2.0
// What the engine and the shim say to each other: one SOCK_SEQPACKET message is one frame, its first byte the kind.
// Both ends are of one build (the spawner) or at least of one frame version (a later attach); a frame that does not
// parse ends that connection and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error_record.h"
#include "base/record.h"
#include "shim/client/client.h"

namespace servin::shim {

/// Shim -> client. The numbers are Client::Kind.
enum class ToClient : std::uint8_t { started = 1, failed, out, err, exited };
/// Client -> shim.
enum class ToShim : std::uint8_t { subscribe = 1, stdin_bytes, close_stdin, resize, released };

inline constexpr std::uint8_t frame_version = 1;
/// The shim reads this many bytes of output at once; one frame carries them.
inline constexpr std::size_t output_chunk = 64U << 10U;
/// Bytes of input in one frame: the shim keeps one such frame while the container does not read.
inline constexpr std::size_t input_chunk = 16U << 10U;
inline constexpr const char* socket_name = "sock";
inline constexpr const char* status_name = "status";
inline constexpr const char* plan_name = "plan";
/// There when the container has had another name since it was started: the attributes of its events.
inline constexpr const char* event_members_name = "event-members";
/// The descriptor on which a new shim finds the spawner's connection.
inline constexpr int spawner_descriptor = 3;
/// Behind it the sockets of published ports; how many is its second argument.
inline constexpr int first_port_descriptor = 4;

/// First message of a later client.
struct Subscription {
  bool stdin_ = false, out = false, err = false;
};

std::string encode_request(const SpawnRequest& request);  // without the plan: that lies in run_dir/plan
SpawnRequest decode_request(std::string_view bytes);
std::string encode_status(const StatusRecord& status);
/// Throws data_loss.
StatusRecord decode_status(std::string_view bytes);

}  // namespace servin::shim
