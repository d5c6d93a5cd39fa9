// SPDX-License-Identifier: Apache-2.0
// servin-netd DIR: the resolver process of one user-defined network; DIR is RUN/networks/ID. A program of its own,
// static and without the engine in it, because each network in use has one. network::ensure_netd (ensure.h) starts it.
//
//   names      written by the engine (names.h): who is there, what to listen on
//   netd.lock  held while a resolver starts, from the look at netd.pid until the new one has written it, and while one
//              decides to end: so there is never a second one, and never none although somebody was told there is
//   netd.pid   "PID STARTTIME\n"; empty when the resolver ended by itself
//
// It ends when names has no containers any more, or when the folder goes; otherwise it lives through everything.
#pragma once

#include <string>

#include "os/fd.h"

namespace servin::dns {

/// Descriptors that ensure_netd gives it.
constexpr int ready_descriptor = 3;  // gets "" (closed) when it listens, or an error record
constexpr int lock_descriptor = 4;   // netd.lock, locked

/// The main of servin-netd; returns the exit code.
int run_netd(const std::string& dir, Fd ready, Fd lock);

}  // namespace servin::dns
