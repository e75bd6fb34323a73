// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace clawpatrol::cpctl {

std::string bytes_text(std::uint64_t bytes);       // 512 B, 1.2 KiB, 34 MiB
std::string duration_text(std::uint64_t seconds);  // 7s, 3m12s, 2h05m, 3d4h
std::string count_text(std::uint64_t count);       // 1234567 as 1,234,567
// `1 packet`, `2 packets`
std::string counted(std::uint64_t count, const std::string& one);

}  // namespace clawpatrol::cpctl
