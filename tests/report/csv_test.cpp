#include "dsasim/report/csv.hpp"

#include "catch.hpp"
#include "dsasim/error.hpp"

using namespace dsasim;

TEST_CASE("The tables of a document become rows, one after the other", "[report][csv]") {
  CHECK(csv_of(R"({"schema": "dsasim-x/1", "config": {"a": 1}, "totals": {"misses": 7, "ratio": null},
                   "layers": [{"layer": 0, "misses": 3}, {"layer": 1, "misses": 4, "ratio": 0.5}]})") ==
        "part,misses,ratio,layer\n"
        "totals,7,,\n"
        "layers,3,,0\n"
        "layers,4,0.5,1\n");
}

TEST_CASE("A row that has a table inside is a row for each of its rows", "[report][csv]") {
  CHECK(
      csv_of(
          R"({"layers": [{"layer": 0, "points": [{"c": 1, "m": 9}, {"c": 2, "m": 8}]}, {"layer": 1, "points": []}]})") ==
      "part,layer,c,m,points\n"
      "layers,0,1,9,\n"
      "layers,0,2,8,\n"
      "layers,1,,,\n");
}

TEST_CASE("Objects inside a row give columns, lists a cell, and texts are quoted where they need it", "[report][csv]") {
  CHECK(
      csv_of(
          R"({"points": [{"tpot_ns": {"mean": 1.5, "p99": 2}, "capacity_entries": [1, 2], "policy": "fifo,atomic=step",
                               "said": "a \"b\""}]})") ==
      "part,tpot_ns.mean,tpot_ns.p99,capacity_entries,policy,said\n"
      "points,1.5,2,1 2,\"fifo,atomic=step\",\"a \"\"b\"\"\"\n");
}

TEST_CASE("A document without tables is one row", "[report][csv]") {
  CHECK(csv_of(R"({"schema": "dsasim-x/1", "tool": {"version": "1"}, "gpus": 8, "used": {"compute": 0.25}})") ==
        "gpus,used.compute\n8,0.25\n");
}

TEST_CASE("What is no JSON has no rows", "[report][csv]") {
  CHECK_THROWS_AS(csv_of("{"), ConfigError);
  CHECK_THROWS_AS(csv_of(R"({"a": 1, "a": 2})"), ConfigError);
}
