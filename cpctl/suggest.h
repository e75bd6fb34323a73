// Rules that would allow what the audit log says was done without a rule for it: under `mode = "observe"`, or
// denied because nothing matched. As wide as the facets that the lines hold, and no wider.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace clawpatrol::cpctl {

class Suggestions {
 public:
  // A line of the log. What is no action without a rule is passed over; what no narrow rule can be written
  // for is counted, with why.
  void take(std::string_view line);

  // In TOML, ready for a file in conf.d; each rule with how often it would have been used, and an example.
  std::string toml() const;
  std::size_t rules() const { return groups_.size(); }
  std::size_t actions() const { return actions_; }
  const std::map<std::string, std::size_t>& left_out() const { return left_out_; }

 private:
  struct Group {
    std::string endpoint, about;         // such as: select
    std::string condition;               // what all of them have in common
    std::set<std::string> alternatives;  // one of which is true; empty: none is needed
    std::size_t count = 0;
    std::string first, last, example;  // times, and an action's id
  };
  struct Member;
  void add(const Member& member);

  std::map<std::string, Group> groups_;
  std::map<std::string, std::size_t> left_out_;
  std::size_t actions_ = 0;
};

}  // namespace clawpatrol::cpctl
