// Sockets of tests on loopback: blocking, every read bounded by ten seconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/ring/fd.h"

namespace clawpatrol::lab {

std::filesystem::path scratch(const std::string& name);  // a new directory; the caller removes it

std::pair<Fd, std::uint16_t> listen_on_loopback();  // and the port
Fd connect_to_loopback(std::uint16_t port);
bool has_input(int fd, int ms);  // within so long; an end counts
void send_whole(int fd, std::string_view bytes);

enum class Received : std::uint8_t { some, end, reset };
// Appends what comes next. Throws, with what `buffer` holds, where nothing does.
Received receive_into(int fd, std::string& buffer);

}  // namespace clawpatrol::lab
