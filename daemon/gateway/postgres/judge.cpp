#include "daemon/gateway/postgres/judge.h"
#include "daemon/gateway/unix_time.h"

#include <algorithm>

namespace clawpatrol::postgres {
namespace {

constexpr std::size_t most_remembered = 16 << 10;  // bytes of one analysis

std::shared_ptr<const FlowFacets> facets_of(const ClaimedFlow& flow, std::string credential) {
  return std::make_shared<const FlowFacets>(
      FlowFacets{flow.peer_facets, flow.endpoint_facets, flow.dest, std::move(credential), std::nullopt});
}

bool has_letters_beyond_ascii(const sql::SearchPath& path) {
  return std::ranges::any_of(path.schemas, [](const std::string& schema) {
    return std::ranges::any_of(schema, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  });
}

SubjectPointer subject_of(const std::shared_ptr<const sql::Analysis>& analysis, std::size_t index) {
  auto made = std::make_shared<Subject>();
  made->sql = {analysis, &analysis->statements[index].facets};
  made->json = facets_json(*made->sql);
  // Then a record holds the text, and the analysis need not outlive its message.
  made->in_text = analysis->statements.size() == 1 && analysis->readable == sql::Readable::yes &&
                  !analysis->more_than_text && !analysis->on_own_path;
  return made;
}

}  // namespace

SqlFacets unknown_facets(Unknown why) {
  SqlFacets facets;
  facets.statement = why, facets.verb = why, facets.verbs = why, facets.tables = why, facets.reads = why;
  facets.writes = why, facets.columns = why, facets.functions = why, facets.classes = why;
  facets.unbounded = why, facets.copy = why, facets.literals = why;
  return facets;
}

const ParamsPointer& no_params() {
  static const ParamsPointer none = std::make_shared<const SqlParams>(SqlParams::Value());
  return none;
}

const ParamsPointer& pending_params() {
  static const ParamsPointer pending = std::make_shared<const SqlParams>(Unknown::pending);
  return pending;
}

std::shared_ptr<const sql::Analysis> analysis_over_limit() {
  auto analysis = std::make_shared<sql::Analysis>();
  analysis->readable = sql::Readable::over_limit;
  sql::Statement& statement = analysis->statements.emplace_back();
  statement.facets = unknown_facets(Unknown::over_limit);
  statement.kind = ActionKind::admin;
  statement.runs_unread_code = statement.may_change_settings = true;
  return analysis;
}

Judge::Judge(Shared& shared, sql::Cache& analyses, const ClaimedFlow& flow)
    : shared_(shared),
      analyses_(analyses),
      flow_(*flow.flow),
      peer_(flow.peer),
      facets_(facets_of(flow, "")),
      audit_(*facets_, flow.flow->id) {}

std::int64_t Judge::now() const {
  return as_of_ ? *as_of_ : now_unix_ns();
}

void Judge::become(Identity identity) {
  identity_ = std::move(identity);
  FlowFacets facets = *facets_;
  facets.credential = identity_.credential;
  facets.sql = {identity_.database, identity_.user, identity_.declared_user};
  facets_ = std::make_shared<const FlowFacets>(std::move(facets));
  audit_ = AuditLines(*facets_, flow_.id);
  if (grant_)
    grant_->logged_in({identity_.credential, identity_.user, identity_.declared_user},
                      shared_.credentials.get());
  if (shared_.credentials && !identity_.credential.empty())
    credential_version_ = shared_.credentials->version(identity_.credential);
}

bool Judge::has_credential_of_login() const {
  return !shared_.credentials || identity_.credential.empty() ||
         shared_.credentials->version(identity_.credential) == credential_version_;
}

bool Judge::take_generation() {
  // A peer that changed, or is gone, ends the connection by close_orphans().
  auto current = shared_.policy.current();
  if (current == policy_ && has_credential_of_login()) return true;
  if (!current->endpoints.contains(facets_->endpoint.name)) return false;
  if (!grant_) grant_.emplace(current, *peer_, facets_->peer.profile, facets_->endpoint.name, facets_->dest);
  if (!grant_->stands(*current, shared_.peers, shared_.credentials.get())) return false;
  policy_ = std::move(current);
  counts_ = shared_.rule_counts.of(*policy_, now_unix_ns());
  const bool ascii_only = sql_.ascii_only, ascii_names = sql_.ascii_names;
  sql::SearchPathPointer path = std::move(sql_.search_path);
  sql_ = policy_->endpoints.find(facets_->endpoint.name)->second.sql;
  sql_.ascii_only = ascii_only;
  sql_.ascii_names = ascii_names;
  sql_.search_path = std::move(path);
  remembered_ = {};
  long_text_ = nullptr;  // read under other options
  return true;
}

bool Judge::stands() const {
  auto current = shared_.policy.current();
  if (has_credential_of_login() && current == policy_) return true;
  return grant_->stands(*current, shared_.peers, shared_.credentials.get());
}

void Judge::set_search_path(sql::SearchPathPointer path) {
  if (sql_.ascii_names && path != nullptr && path->certain && has_letters_beyond_ascii(*path)) {
    auto doubtful = std::make_shared<sql::SearchPath>(*path);
    doubtful->certain = false;  // which schema that is, the server's encoding decides
    path = std::move(doubtful);
  }
  sql_.search_path = std::move(path);
  long_text_ = nullptr;  // read under other options
}

void Judge::set_login_path(sql::SearchPathPointer path) {
  login_path_ = path;
  set_search_path(std::move(path));
}

void Judge::add_login_path(const sql::SearchPathPointer& path) {
  if (path == nullptr) return;
  if (login_path_ == nullptr) return set_login_path(path);
  set_login_path(std::make_shared<const sql::SearchPath>(sql::united(*login_path_, *path)));
}

void Judge::set_encoding(std::string_view client_encoding) {
  const bool ascii_only = client_encoding != "UTF8";
  if (ascii_only != sql_.ascii_only) long_text_ = nullptr;  // read under other options
  sql_.ascii_only = ascii_only;
}

void Judge::set_server_encoding(std::string_view server_encoding) {
  sql_.ascii_names = server_encoding != "UTF8";
  set_search_path(sql_.search_path);
}

std::shared_ptr<const sql::Analysis> Judge::analyse(std::string_view text) {
  if (text.size() <= Analysts::longest_at_once || !elsewhere_)
    return analyses_.analyse(text, sql_, peer_->id);
  if (auto found = analyses_.find(text, sql_)) return found;
  if (long_text_ && long_text_->text == text) return long_text_->analysis;
  auto asked = std::make_shared<LongText>(LongText{std::string(text), nullptr});
  long_text_ = asked;
  const bool taken =
      elsewhere_(std::string(text), sql_, [asked](auto analysis) { asked->analysis = std::move(analysis); });
  if (!taken) asked->analysis = analysis_over_limit();
  return asked->analysis;
}

SubjectPointer Judge::subject(const std::shared_ptr<const sql::Analysis>& analysis, std::size_t index) {
  // One that nobody else holds is not in the cache, and will not be met again; a large one is not worth its
  // room in every connection.
  if (analysis.use_count() == 1 || analysis->memory > most_remembered) return subject_of(analysis, index);
  const std::size_t hash = reinterpret_cast<std::uintptr_t>(analysis.get()) >> 5;
  Remembered& slot = remembered_[hash % remembered_.size()];
  if (slot.analysis != analysis) {
    slot.analysis = analysis;
    slot.subjects.assign(analysis->statements.size(), nullptr);
  }
  SubjectPointer& found = slot.subjects[index];
  if (!found) found = subject_of(analysis, index);
  return found;
}

SubjectPointer Judge::subject(SqlFacets facets) {
  auto made = std::make_shared<Subject>();
  made->json = facets_json(facets);
  made->sql = std::make_shared<const SqlFacets>(std::move(facets));
  return made;
}

SubjectPointer Judge::session_subject() {
  return subject(SqlFacets());
}

Opinion Judge::consider(ActionType type, ActionKind kind, const Subject& subject,
                        const SqlParams* params) const {
  const bool alike = subject.opinion && subject.of_generation == policy_->generation &&
                     subject.of_type == type && subject.of_kind == kind;
  if (alike) return *subject.opinion;
  Opinion opinion = decide_now(type, kind, subject, params);
  if (policy_->decides_by_facets_alone(facets_->endpoint.name, type)) {
    subject.opinion = opinion;
    subject.of_generation = policy_->generation;
    subject.of_type = type;
    subject.of_kind = kind;
  }
  return opinion;
}

Opinion Judge::decide_now(ActionType type, ActionKind kind, const Subject& subject,
                          const SqlParams* params) const {
  Action action;
  action.type = type;
  action.kind = kind;
  action.peer = &facets_->peer;
  action.endpoint = &facets_->endpoint;
  action.dest = &facets_->dest;
  action.credential = facets_->credential;
  action.now_unix_ns = now();
  action.sql = subject.sql.get();
  action.sql_params = params;
  if (facets_->sql) action.sql_session = &*facets_->sql;
  return opinion_of(*policy_, action);
}

audit::Durability Judge::durability_of(const Entry& entry) const {
  return clawpatrol::durability_of(policy_->audit.sync, entry.kind, entry.verdict == ActionVerdict::allow);
}

std::uint64_t Judge::record(const Entry& entry) {
  ActionRecord record;
  record.id = shared_.next_action_id();
  record.flow = flow_.id;
  record.parent = entry.parent;
  record.time_unix_ns = now();
  record.type = entry.type;
  record.kind = entry.kind;
  record.verdict = entry.verdict;
  record.policy = policy_;
  record.facets = facets_;
  record.rule = entry.opinion->decision.rule;
  record.reason = entry.opinion->decision.reason;
  record.guard = entry.opinion->observed ? "observe" : entry.opinion->guard;
  record.text = entry.text;
  record.sql_params = entry.params;
  if (entry.subject->in_text && entry.text.empty()) {
    record.text = *entry.subject->sql->statement;
    record.evidence = ActionRecord::Evidence::in_text;
  } else {
    record.sql = entry.subject->sql;
  }
  add_long_text(*entry.subject);
  const bool given = !entry.params_json.empty() || !entry.params;
  lines_.push_back(audit_.action(record, entry.subject->json,
                                 given ? std::string(entry.params_json) : params_json(*entry.params)));
  line_bytes_ += lines_.back().size();
  if (durability_of(entry) == audit::Durability::synced) durability_ = audit::Durability::synced;
  flow_.actions.fetch_add(1, std::memory_order_relaxed);
  if (entry.verdict != ActionVerdict::allow) flow_.denied.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t id = record.id;
  if (entry.opinion->guard.empty())
    counts_->count(*policy_, entry.opinion->decision, entry.opinion->allowed, id, record.time_unix_ns);
  flow_.set_last(shared_.actions.add(std::move(record)));
  return id;
}

void Judge::add_long_text(const Subject& subject) {
  const Facet<std::string>& statement = subject.sql->statement;
  if (!statement.known() || statement->size() <= longest_text_in_line) return;
  texts_segment_ = shared_.audit ? shared_.audit->segment() : 0;
  if (subject.digest.empty()) subject.digest = sha256_hex(*statement);
  const std::string& digest = subject.digest;
  const bool is_in_batch = std::ranges::find(texts_new_, digest) != texts_new_.end();
  if (is_in_batch) return;
  if (shared_.written_texts.contains(digest, texts_segment_)) {
    texts_named_.push_back({digest, subject.sql, texts_segment_});
    return;
  }
  lines_.push_back(AuditLines::text_line(digest, *statement, now()));
  line_bytes_ += lines_.back().size();
  texts_new_.push_back(digest);
}

void Judge::committed(bool recorded) {
  if (recorded && !texts_new_.empty()) shared_.written_texts.add(texts_new_, texts_segment_);
  if (recorded && !texts_named_.empty()) follow_rotation();
  texts_new_.clear();
  texts_named_.clear();
}

// A line that has gone into a newer segment than its text would outlive it.
void Judge::follow_rotation() {
  const std::uint64_t segment = shared_.audit ? shared_.audit->segment() : 0;
  for (const NamedText& named : texts_named_) {
    if (named.segment == segment || shared_.written_texts.contains(named.digest, segment)) continue;
    notes_.push_back(AuditLines::text_line(named.digest, *named.sql->statement, now()));
    shared_.written_texts.add(std::span(&named.digest, 1), segment);
  }
}

void Judge::outcome(std::uint64_t action, const AuditLines::Outcome& outcome) {
  AuditLines::Outcome complete = outcome;
  complete.id = action;
  complete.time_unix_ns = now();
  notes_.push_back(AuditLines::outcome(complete));
}

Denial Judge::denial(const Opinion& opinion, std::uint64_t action) const {
  const std::string id = action_id_text(action);
  Denial denial;
  denial.code = "42501";
  denial.message = opinion.decision.reason.empty() ? opinion.guard : opinion.decision.reason;
  denial.detail = opinion.decision.rule   ? "rule \"" + opinion.decision.rule->name + "\", action " + id
                  : opinion.guard.empty() ? "no rule matched, action " + id
                                          : "refused by the gateway itself, action " + id;
  denial.hint = "Run \"cpctl explain " + id + "\" on the gateway, or ask its operator.";
  return denial;
}

Judge::Refusal Judge::refuse(const char* guard, std::string_view code, std::string message) {
  shared_.refusals.count(guard, peer_->id);
  Opinion opinion;
  opinion.guard = guard;
  opinion.decision.reason = std::move(message);
  const std::uint64_t action = record({.type = ActionType::statement,
                                       .kind = ActionKind::session,
                                       .subject = session_subject(),
                                       .params = nullptr,
                                       .opinion = &opinion,
                                       .verdict = ActionVerdict::deny,
                                       .parent = 0,
                                       .text = guard});
  Refusal refusal{.denial = denial(opinion, action), .action = action};
  refusal.denial.code = code;
  return refusal;
}

void Judge::lines_taken() {
  lines_.clear();
  line_bytes_ = 0;
  durability_ = audit::Durability::handed;
}

}  // namespace clawpatrol::postgres
