// Policies by name: what parses, and what the messages say of what does not.

#include "dsasim/cache/policy_spec.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"

#include <set>
#include <string>

using namespace dsasim;

namespace {

std::string message_of(std::string_view text) {
  try {
    parse_policy(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("A policy is parsed to its complete form, in the policy's order", "[policy]") {
  CHECK(parse_policy("lru") == PolicySpec{});
  CHECK(to_string(parse_policy("fifo")) == "fifo,atomic=access");
  CHECK(to_string(parse_policy("fifo,atomic=step")) == "fifo,atomic=step");
  CHECK(to_string(parse_policy("random,seed=7,atomic=step")) == "random,atomic=step,seed=7");
  CHECK(to_string(parse_policy("random,seed=007")) == "random,atomic=access,seed=7");
  CHECK(to_string(parse_policy("random,seed=18446744073709551615")) ==
        "random,atomic=access,seed=18446744073709551615");
  CHECK(to_string(parse_policy("belady,bypass=1")) == "belady,atomic=access,bypass=1");
  CHECK(to_string(parse_policy("rt,history=032")) == "rt,history=32,staging=0");
  for (const PolicyDescription& policy : policy_descriptions()) {
    const PolicySpec spec = parse_policy(policy.name);
    CHECK(parse_policy(to_string(spec)) == spec);
  }
}

TEST_CASE("A policy that does not parse is answered with what does", "[policy]") {
  std::string known = "known: ";
  for (const PolicyDescription& policy : policy_descriptions()) {
    known += (known == "known: " ? "" : ", ") + std::string(policy.name);
  }
  CHECK(message_of("lur") == "--policy: unknown policy \"lur\" (did you mean \"lru\"?); " + known);
  CHECK(message_of("optimal") == "--policy: unknown policy \"optimal\"; " + known);
  CHECK(message_of("") == "--policy: unknown policy \"\"; " + known);
  CHECK(parse_policy("HiSparse") == parse_policy("hisparse"));
  CHECK(message_of("fifo,atmoic=step") ==
        "--policy: fifo: unknown parameter \"atmoic\" (did you mean \"atomic\"?); known: atomic");
  CHECK(message_of("random,atmoic=step") ==
        "--policy: random: unknown parameter \"atmoic\" (did you mean \"atomic\"?); known: atomic, seed");
  CHECK(message_of("lru,seed=1") == "--policy: lru: unknown parameter \"seed\"; known: none");
  CHECK(message_of("fifo,atomic=stp") == "--policy: fifo: atomic: expected access or step, found \"stp\"");
  CHECK(message_of("fifo,atomic=") == "--policy: fifo: atomic: expected access or step, found \"\"");
  CHECK(message_of("fifo,atomic=access|step") ==
        "--policy: fifo: atomic: expected access or step, found \"access|step\"");
  CHECK(message_of("belady,bypass=yes") == "--policy: belady: bypass: expected 0 or 1, found \"yes\"");
  CHECK(message_of("fifo,atomic=step,atomic=step") == "--policy: fifo: atomic: given twice");
  CHECK(message_of("fifo,step") == "--policy: fifo: expected key=value, found \"step\"");
  CHECK(message_of("fifo,") == "--policy: fifo: expected key=value, found \"\"");
}

TEST_CASE("A parameter takes words or a number", "[policy]") {
  CHECK(message_of("rt,history=residents") == "accepted");
  CHECK(message_of("rt,history=0") ==
        "--policy: rt: history: expected all or residents or an integer in 1..1000000, found \"0\"");
}

TEST_CASE("A seed is an integer of 64 bits and nothing else", "[policy]") {
  for (const char* const seed : {"-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "18446744073709551616", ""}) {
    CHECK(message_of("random,seed=" + std::string(seed)) ==
          "--policy: random: seed: expected an integer in 0..18446744073709551615, found \"" + std::string(seed) +
              "\"");
  }
}

TEST_CASE("The message begins with the place that named the policy", "[policy]") {
  CHECK_THROWS_WITH(parse_policy("fifo,atomic=stp", "c.json: /policy"),
                    "c.json: /policy: fifo: atomic: expected access or step, found \"stp\"");
}

TEST_CASE("A spec put together by hand is checked like a parsed one", "[policy]") {
  CHECK_THROWS_WITH(make_cache({.name = "random", .parameters = {{"seed", "x"}}}, 1, 1, 0),
                    "--policy: random: seed: expected an integer in 0..18446744073709551615, found \"x\"");
  CHECK(make_cache({.name = "random", .parameters = {{"seed", "3"}}}, 1, 1, 0) != nullptr);
}

TEST_CASE("Policies say what they need", "[policy]") {
  CHECK(!policy_needs(parse_policy("lru")).future);
  CHECK(!policy_needs(parse_policy("lru")).whole_selection);
  CHECK(policy_needs(parse_policy("belady")).future);
  CHECK(!policy_needs(parse_policy("fifo")).whole_selection);
  CHECK(policy_needs(parse_policy("fifo,atomic=step")).whole_selection);
  CHECK(policy_needs(parse_policy("random,atomic=step")).whole_selection);
  CHECK(policy_needs(parse_policy("hisparse")).whole_selection);
}

TEST_CASE("Every policy is described once", "[policy]") {
  std::set<std::string_view> names;
  for (const PolicyDescription& policy : policy_descriptions()) {
    CHECK(names.insert(policy.name).second);
    CHECK(!policy.sentence.empty());
    CHECK(policy.sentence.back() == '.');
    CHECK(!policy.source.empty());
    for (const PolicyParameter& parameter : policy.parameters) {
      CHECK(!parameter.description.empty());
      CHECK_NOTHROW(
          complete_policy({.name = std::string(policy.name),
                           .parameters = {{std::string(parameter.key), std::string(parameter.default_value)}}}));
    }
  }
}
