// Recorded actions, decided by two policies.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpctl/cases/recorded.h"
#include "cpctl/cases/run.h"

namespace clawpatrol::cpctl {

// Actions that the two policies decide alike are counted only; the others by what decided before and after.
class Replay {
 public:
  Replay(std::shared_ptr<const Policy> before, std::shared_ptr<const Policy> after)
      : before_(std::move(before)), after_(std::move(after)) {}

  // The log's directory or one segment. The error says what could not be read.
  std::expected<void, std::string> read(const std::filesystem::path& path);

  enum class Way : std::uint8_t { wider, narrower, other_rule };
  struct Group {
    Way way = Way::other_rule;
    std::string before, after;  // such as: deny by rule "no-ddl"
    std::string before_rule, after_rule;
    std::size_t count = 0;
    std::vector<std::string> examples;  // "a-...: SELECT ..."; the first of them
  };
  std::vector<Group> groups() const;  // wider first, the most frequent of each first
  std::size_t actions() const { return actions_; }
  std::size_t alike() const { return alike_; }
  std::size_t wider() const;
  std::size_t narrower() const;
  // Not judged, by why.
  const std::map<std::string, std::size_t>& unjudged() const { return unjudged_; }
  std::size_t foreign() const { return foreign_; }  // recorded otherwise than the policy before decides
  std::size_t damaged() const { return damaged_; }  // lines that are none of an audit log

 private:
  void take(std::string_view line, LongTexts& texts);
  void judge(const Recorded& action);

  std::shared_ptr<const Policy> before_, after_;
  std::map<std::string, Group> groups_;
  std::map<std::string, std::size_t> unjudged_;
  std::size_t actions_ = 0, alike_ = 0, foreign_ = 0, damaged_ = 0;
};

}  // namespace clawpatrol::cpctl
