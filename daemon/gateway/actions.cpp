#include "daemon/gateway/actions.h"

#include <algorithm>
#include <array>

namespace clawpatrol {
namespace {

// Base 32 without letters that read alike (Crockford): short enough to type.
constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";

std::size_t bytes_of(const Facet<std::string>& facet) {
  return facet ? facet->size() : 0;
}

std::size_t bytes_of(const Facet<NameList>& facet) {
  std::size_t total = 0;
  if (facet) {
    for (const std::string& item : facet->items) total += sizeof item + item.size();
  }
  return total;
}

std::size_t bytes_of(const SqlFacets& sql) {
  std::size_t total = sizeof sql + bytes_of(sql.statement);
  for (const Facet<NameList>* list : {&sql.verbs, &sql.tables, &sql.reads, &sql.writes, &sql.columns,
                                      &sql.functions, &sql.classes, &sql.literals}) {
    total += bytes_of(*list);
  }
  return total;
}

std::size_t bytes_of(const SqlParams& params) {
  std::size_t total = sizeof params;
  if (params) {
    for (const auto& value : *params) total += sizeof value + (value ? value->size() : 0);
  }
  return total;
}

std::size_t bytes_of(const Document& document) {
  std::size_t total = sizeof document;
  if (const std::string* text = document.text()) total += text->size();
  if (const Document::Items* items = document.items())
    for (const Document& item : *items) total += bytes_of(item);
  if (const Document::Members* members = document.members())
    for (const Document::Member& member : *members)
      total += sizeof member.name + member.name.size() + bytes_of(member.value);
  return total;
}

std::size_t bytes_of(const Facet<Document>& facet) {
  return facet ? bytes_of(*facet) : 0;
}

std::size_t bytes_of(const HttpFacets& http) {
  return sizeof http + bytes_of(http.raw_path) * 2 + bytes_of(http.query) + bytes_of(http.headers) +
         bytes_of(http.body) + bytes_of(http.body_json);
}

std::size_t bytes_of(const K8sFacets& k8s) {
  return sizeof k8s + bytes_of(k8s.path) * 2 + bytes_of(k8s.params) + bytes_of(k8s.argv) + bytes_of(k8s.body);
}

std::size_t bytes_of(const WsFacets& ws) {
  return sizeof ws + bytes_of(ws.text) + bytes_of(ws.json);
}

std::size_t bytes_of_evidence(const ActionRecord& record) {
  return (record.sql ? bytes_of(*record.sql) : 0) + (record.sql_params ? bytes_of(*record.sql_params) : 0) +
         (record.dns ? sizeof *record.dns + record.dns->name.size() : 0) +
         (record.http ? bytes_of(*record.http) : 0) + (record.k8s ? bytes_of(*record.k8s) : 0) +
         (record.ws ? bytes_of(*record.ws) : 0) + record.text.size();
}

}  // namespace

std::string_view name_of(ActionVerdict verdict) {
  switch (verdict) {
    case ActionVerdict::allow: return "allow";
    case ActionVerdict::deny: return "deny";
    case ActionVerdict::denied_with: return "denied-with";
  }
  return "deny";
}

std::string action_id_text(std::uint64_t id) {
  char text[16];
  std::size_t begin = sizeof text;
  do {
    text[--begin] = digits[id & 31];
    id >>= 5;
  } while (id);
  text[--begin] = '-';
  text[--begin] = 'a';
  return {text + begin, sizeof text - begin};
}

std::optional<std::uint64_t> parse_action_id(std::string_view text) {
  if (!text.starts_with("a-") || text.size() < 3 || text.size() > 15) return std::nullopt;
  std::uint64_t id = 0;
  for (char c : text.substr(2)) {
    const std::size_t digit = digits.find(c);
    if (digit == digits.npos || id >> 59) return std::nullopt;
    id = id << 5 | digit;
  }
  return id;
}

std::string_view ActionRecord::statement() const {
  if (!text.empty() || !sql || !sql->statement) return text;
  return *sql->statement;
}

std::string_view cut_text(std::string_view text) {
  constexpr std::size_t longest = 1024;
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while (end > longest - 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

Action ActionRecord::action(std::shared_ptr<const SqlFacets>& analysed) const {
  if (evidence == Evidence::in_text) {
    sql::Options options = policy->endpoints.find(facets->endpoint.name)->second.sql;
    options.asked = {};  // who looks at one action sees all of it
    auto analysis = std::make_shared<const sql::Analysis>(sql::analyse(text, options));
    analysed = {analysis, &analysis->statements.front().facets};
  }
  Action action;
  action.type = type;
  action.kind = kind;
  if (facets) {
    action.peer = &facets->peer;
    if (!facets->endpoint.name.empty()) action.endpoint = &facets->endpoint;
    if (!facets->dest.host.empty()) action.dest = &facets->dest;
    if (facets->sql) action.sql_session = &*facets->sql;
    action.credential = facets->credential;
  }
  action.now_unix_ns = time_unix_ns;
  action.sql = evidence == Evidence::in_text ? analysed.get() : sql.get();
  action.sql_params = sql_params.get();
  action.dns = dns.get();
  action.http = http.get();
  action.k8s = k8s.get();
  action.ws = ws.get();
  return action;
}

RecentActions::Record RecentActions::add(ActionRecord record) {
  std::size_t evidence = bytes_of_evidence(record);
  if (evidence > max_evidence) {
    record.text = std::string(cut_text(record.statement()));
    record.sql = nullptr;
    record.sql_params = nullptr;
    record.dns = nullptr;
    record.http = nullptr;
    record.k8s = nullptr;
    record.ws = nullptr;
    record.evidence = ActionRecord::Evidence::dropped;
    evidence = record.text.size();
  }
  const std::size_t bytes = sizeof record + record.reason.size() + record.guard.size() + evidence;
  auto shared = std::make_shared<const ActionRecord>(std::move(record));
  std::array<Entry, 8> fallen;  // freed after the lock; more are freed under it, which is rare
  std::size_t count = 0;
  std::lock_guard lock(mutex_);
  count_one(*shared);
  records_.push_back({shared, bytes});
  bytes_ += bytes;
  while (records_.size() > capacity_ || (bytes_ > max_bytes_ && records_.size() > 1)) {
    bytes_ -= records_.front().bytes;
    if (count < fallen.size()) fallen[count++] = std::move(records_.front());
    records_.pop_front();
    ++first_;
  }
  return shared;
}

// The one that was counted last is likely to be the next: it stands first.
void RecentActions::count_one(const ActionRecord& record) {
  const std::string_view endpoint = record.endpoint();
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    Count& each = counts_[i];
    if (each.kind != record.kind || each.verdict != record.verdict || each.endpoint != endpoint) continue;
    ++each.count;
    if (i > 0) std::swap(each, counts_[i - 1]);
    return;
  }
  counts_.push_back({std::string(endpoint), record.kind, record.verdict, 1});
}

std::vector<RecentActions::Count> RecentActions::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<RecentActions::Record> RecentActions::since(std::uint64_t& cursor, std::size_t most) const {
  std::vector<Record> found;
  std::lock_guard lock(mutex_);
  std::uint64_t end = first_ + records_.size();
  cursor = std::clamp(cursor, first_, end);
  std::size_t count = std::min<std::size_t>(most, end - cursor);
  found.reserve(count);
  for (; count > 0; --count) found.push_back(records_[cursor++ - first_].record);
  return found;
}

RecentActions::Record RecentActions::find(std::uint64_t id) const {
  // In steps, newest first, so that workers never wait for a search of the whole ring.
  constexpr std::uint64_t step = 256;
  std::uint64_t before = end();
  while (before > 0) {
    std::lock_guard lock(mutex_);
    std::uint64_t from = std::max(first_, before > step ? before - step : 0);
    for (std::uint64_t number = before; number-- > from;) {
      const Record& record = records_[number - first_].record;
      if (record->id == id) return record;
    }
    if (from <= first_) return nullptr;
    before = from;
  }
  return nullptr;
}

std::uint64_t RecentActions::end() const {
  std::lock_guard lock(mutex_);
  return first_ + records_.size();
}

}  // namespace clawpatrol
