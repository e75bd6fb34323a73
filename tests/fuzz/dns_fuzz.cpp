// Any bytes as a DNS query, over UDP and TCP: no crash, and no answer that breaks its promises.
#include <cstdlib>
#include <string_view>

#include "parsers/dns/answer.h"
#include "parsers/dns/query.h"

using namespace clawpatrol;
using namespace clawpatrol::dns;

static void require(bool holds) {
  if (!holds) std::abort();
}

static void check_answers(std::string_view message, const Query& query) {
  require(query.name.size() <= 4 * max_name &&
          message.substr(header_size, query.question.size()) == query.question);
  Answer positive{
      .addresses = std::vector<std::string>(40, std::string(query.type == RecordType::a ? 4 : 16, 'x')),
      .ttl_seconds = 60};
  Answer negative{
      .rcode = Rcode::name_error, .error = ExtendedError::prohibited, .error_text = std::string(500, 'x')};
  for (const Answer& answer : {positive, negative}) {
    std::size_t limit = udp_limit(query.edns);
    std::string built = build_answer(query, answer, limit);
    require(!built.empty() && built.size() <= limit && limit <= max_udp_answer);
    require(built.substr(0, 2) == message.substr(0, 2) && (built[2] & 0x80));
    require(built.substr(header_size, query.question.size()) == query.question);
    require(std::holds_alternative<Malformed>(parse_query(built)));  // an answer is never taken for a query
  }
}

extern "C" int LLVMFuzzerTestOneInput(const char* data, std::size_t size) {
  std::string_view bytes(data, size);
  QueryResult result = parse_query(bytes);
  if (auto* query = std::get_if<Query>(&result)) check_answers(bytes, *query);
  if (auto* bad = std::get_if<BadQuery>(&result)) require(build_error(*bad).size() <= 512);
  while (true) {
    auto step = next_message(bytes);
    if (auto* more = std::get_if<NeedMore>(&step)) require(more->at_least > bytes.size());
    auto* parsed = std::get_if<Parsed<std::string_view>>(&step);
    if (!parsed) return 0;
    require(parsed->size <= bytes.size());
    bytes.remove_prefix(parsed->size);
  }
}
