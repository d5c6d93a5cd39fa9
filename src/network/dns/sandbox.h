// SPDX-License-Identifier: Apache-2.0
// What is left of a process that reads packets from containers and from the net: a user that owns nothing, no
// capabilities, no new privileges, and the system calls of an event loop with sockets.
#pragma once

#include <initializer_list>

namespace servin::dns {

/// An id that no distribution gives to anybody ("NETD"). In a user namespace that does not map it: nobody's.
constexpr unsigned netd_user = 0x4e455444;

/// For good. Descriptors that are open stay usable. Throws Error when any step fails. `filter`: with seccomp
/// (sanitizers need calls that it does not allow); `more`: system calls that this process needs besides.
void drop_rights(bool filter, std::initializer_list<int> more = {});
/// As many descriptors as the hard limit allows, up to `wanted`; returns how many.
unsigned long raise_descriptor_limit(unsigned long wanted);

}  // namespace servin::dns
