#pragma once

#include <string>

#include <gtest/gtest.h>

#include <coppice/core/error.h>

namespace coppice {

/// Expects an Error with exactly this message.
template <class F>
void expect_error(F&& function, const std::string& message) {
  try {
    function();
    ADD_FAILURE() << "expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), message);
  }
}

}  // namespace coppice
