#pragma once

#include <string>

#include <gtest/gtest.h>

#include <coppice/core/error.h>

namespace coppice {

/// The message of the Error that `call` throws; empty when it throws none.
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// Expects an Error with exactly this message.
template <class Call>
void expect_error(Call&& call, const std::string& message) {
  EXPECT_EQ(error_of(call), message);
}

}  // namespace coppice
