#pragma once

#include "dsasim/error.hpp"

#include <string>

namespace dsasim::test {

/// What the Error says that the action ends with; empty if it ends with none.
template <class Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace dsasim::test
