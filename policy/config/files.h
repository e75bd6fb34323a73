// Reading the operator's files: regular ones, of bounded size.
#pragma once

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace clawpatrol::config {

// The error is why, in words. At most `limit` bytes are read; a longer file is an error.
std::expected<std::string, std::string> read_file(const std::filesystem::path& path, std::size_t limit);

// The *.toml of a directory in the order of their names, without hidden ones; empty where there is no
// directory.
std::expected<std::vector<std::filesystem::path>, std::string> toml_files_of(
    const std::filesystem::path& directory);

}  // namespace clawpatrol::config
