// SPDX-License-Identifier: Apache-2.0
// What a question gets, as far as the networks themselves know it. Pure.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "network/dns/message.h"
#include "network/dns/zone.h"

namespace servin::dns {

/// Before anything is looked up: the answer to queries that are none for us, or nothing when it is an ordinary one.
std::optional<Rcode> refuse(const Message& query);

/// The answer when the name or address belongs to one of `zones` (the first that knows it); nothing when it is not
/// ours. A name of ours without an address of the asked kind is an answer without records: asking elsewhere would leak
/// the name, and could find somebody else. `turn` rotates addresses of one name.
std::optional<Answer> answer_locally(const Question& question, std::span<const Zone* const> zones, unsigned turn);

}  // namespace servin::dns
