// Between a session and the policy: decides the actions of one connection, and writes down what was decided.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/gateway/analysts.h"
#include "daemon/gateway/audit_line.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/grant.h"
#include "daemon/gateway/opinion.h"

namespace clawpatrol::postgres {

// Who the connection is, once its login has been judged.
struct Identity {
  std::string credential;  // its name; empty: none
  std::string user;        // whom the gateway logs in as
  std::string declared_user;
  std::string database;
};

// What an action is about, but for its parameters: constant, and the same for every execution of a statement.
struct Subject {
  std::shared_ptr<const SqlFacets> sql;
  std::string json;            // their form in an audit line
  bool in_text = false;        // analysing sql->statement gives them again
  mutable std::string digest;  // of a long statement, once it has been asked for
  // The last opinion, where it depends on nothing but these: for the judge.
  mutable std::optional<Opinion> opinion;
  mutable std::uint64_t of_generation = 0;
  mutable ActionType of_type = ActionType::connect;
  mutable ActionKind of_kind = ActionKind::exec;
};
using SubjectPointer = std::shared_ptr<const Subject>;
using ParamsPointer = std::shared_ptr<const SqlParams>;
const ParamsPointer& no_params();       // an empty list: of a statement that cannot have any
const ParamsPointer& pending_params();  // of a Parse

// An error as the agent sees it, in place of the server's.
struct Denial {
  std::string code;
  std::string message;
  std::string detail;
  std::string hint;
  std::size_t position = 0;
};

// Every facet unknown for `why`, but `statements`, which stays not applicable.
SqlFacets unknown_facets(Unknown why);

// Of a text that is longer than is looked at, or of which not all is here.
std::shared_ptr<const sql::Analysis> analysis_over_limit();

class Judge {
 public:
  Judge(Shared& shared, sql::Cache& analyses, const ClaimedFlow& flow);

  // Every action is decided, and written down, as if it were then: for rehearsals.
  void decide_as_of(std::int64_t unix_ns) { as_of_ = unix_ns; }

  // The login decides who this is; every action after it is judged as that.
  void become(Identity identity);
  const Grant& grant() const { return *grant_; }  // once take_generation() said true
  const Identity& identity() const { return identity_; }

  // Takes the generation in force for what follows. False: what the connection rests on does not stand any
  // more, so that it must close.
  bool take_generation();
  // Whether what the connection rests on stands now, after a wait: what was judged before it may go out.
  bool stands() const;
  const Policy& policy() const { return *policy_; }
  const DestFacets& dest() const { return facets_->dest; }
  std::uint64_t generation() const { return policy_->generation; }

  const sql::Asked& asked() const { return sql_.asked; }  // by the rules of that generation

  // Where the session's unqualified names can be; null: as by default.
  const sql::SearchPathPointer& search_path() const { return sql_.search_path; }
  const sql::SearchPathPointer& login_path() const { return login_path_; }
  void set_search_path(sql::SearchPathPointer path);
  // That a startup parameter set, which RESET goes back to.
  void set_login_path(sql::SearchPathPointer path);
  // That the server says it is; null: as by default.
  void add_login_path(const sql::SearchPathPointer& path);

  // The session's client_encoding. In any but UTF8 a byte above 0x7f could stand for anything.
  bool reads_utf8() const { return !sql_.ascii_only; }
  void set_encoding(std::string_view client_encoding);
  // What the server keeps its names in: UTF8, where nothing is said.
  void set_server_encoding(std::string_view server_encoding);
  // Where long texts are analysed: calls what it is given on this ring, later, or answers false. Without it
  // they are analysed at once.
  using Analysed = std::function<void(std::shared_ptr<const sql::Analysis>)>;
  using Elsewhere = std::function<bool(std::string text, const sql::Options& options, Analysed analysed)>;
  void analyse_long_texts(Elsewhere elsewhere) { elsewhere_ = std::move(elsewhere); }
  // Null: it is not ready; ask again for the same text once it is.
  std::shared_ptr<const sql::Analysis> analyse(std::string_view text);
  void forget_long_text() { long_text_ = nullptr; }

  // Of one of an analysis's statements: remembered, as a text that is sent again has the same analysis.
  SubjectPointer subject(const std::shared_ptr<const sql::Analysis>& analysis, std::size_t index);
  static SubjectPointer subject(SqlFacets facets);
  static SubjectPointer session_subject();  // of an action without a statement

  // `params`: null where the action has none.
  Opinion consider(ActionType type, ActionKind kind, const Subject& subject, const SqlParams* params) const;

  struct Entry {
    ActionType type = ActionType::statement;
    ActionKind kind = ActionKind::exec;
    SubjectPointer subject;
    ParamsPointer params;
    const Opinion* opinion = nullptr;
    ActionVerdict verdict = ActionVerdict::deny;
    std::uint64_t parent = 0;           // action, or 0
    std::string_view text;              // instead of the statement
    std::string_view params_json = {};  // of `params`, where it has been made
  };
  // Writes down one action and returns its id.
  std::uint64_t record(const Entry& entry);
  void outcome(std::uint64_t action, const AuditLines::Outcome& outcome);  // .id and .time are filled in

  Denial denial(const Opinion& opinion, std::uint64_t action) const;
  // What no rule is asked about: `guard`, a literal, is counted, and written down with the message.
  struct Refusal {
    Denial denial;
    std::uint64_t action = 0;
  };
  Refusal refuse(const char* guard, std::string_view code, std::string message);

  // Lines that must be recorded before anything that they cover is sent, and how durably.
  std::vector<std::string>& lines() { return lines_; }
  audit::Durability durability() const { return durability_; }
  std::size_t line_bytes() const { return line_bytes_; }
  void lines_taken();
  void committed(bool recorded);  // what became of them
  std::vector<std::string>& notes() { return notes_; }

 private:
  Opinion decide_now(ActionType type, ActionKind kind, const Subject& subject, const SqlParams* params) const;
  bool has_credential_of_login() const;
  void add_long_text(const Subject& subject);
  void follow_rotation();
  std::int64_t now() const;
  audit::Durability durability_of(const Entry& entry) const;

  Shared& shared_;
  sql::Cache& analyses_;
  Flow& flow_;
  std::shared_ptr<const Peer> peer_;
  std::optional<Grant> grant_;
  std::shared_ptr<const FlowFacets> facets_;
  AuditLines audit_;
  Identity identity_;
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const GenerationCounts> counts_;  // of policy_
  std::uint64_t credential_version_ = 0;
  sql::Options sql_;
  sql::SearchPathPointer login_path_;
  std::optional<std::int64_t> as_of_;
  struct Remembered {
    std::shared_ptr<const sql::Analysis> analysis;
    std::vector<SubjectPointer> subjects;
  };
  std::array<Remembered, 16> remembered_;
  Elsewhere elsewhere_;
  struct LongText {
    std::string text;
    std::shared_ptr<const sql::Analysis> analysis;  // null: on its way
  };
  std::shared_ptr<LongText> long_text_;  // the last one that was asked for
  std::vector<std::string> texts_new_;   // digests of texts in lines that are not yet committed
  std::uint64_t texts_segment_ = 0;      // of the audit log, which they went into
  // That such lines name, and that stood in the segment that was in use when the line was made.
  struct NamedText {
    std::string digest;
    std::shared_ptr<const SqlFacets> sql;
    std::uint64_t segment;
  };
  std::vector<NamedText> texts_named_;
  std::size_t line_bytes_ = 0;
  std::vector<std::string> lines_;
  std::vector<std::string> notes_;
  audit::Durability durability_ = audit::Durability::handed;
};

}  // namespace clawpatrol::postgres
