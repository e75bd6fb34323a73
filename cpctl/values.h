// What a word of the command line may be: checked where it is declared, and offered by the shell's
// completion.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class Option;
class Validator;
}  // namespace CLI

namespace clawpatrol::cpctl {

// One of these words.
CLI::Validator one_of(const std::vector<std::string>& words);

// A whole number, at most `most`.
CLI::Validator whole_number(std::uint64_t most = UINT64_MAX);

// The words of an option that is checked by one_of; of another, none.
std::vector<std::string> words_of(CLI::Option& option);

}  // namespace clawpatrol::cpctl
