#include <coppice/trainers/report/markup.h>

#include <gtest/gtest.h>

#include <coppice/core/error.h>

namespace coppice::train::report {
namespace {

TEST(Escape, LeavesNoMarkup) {
  EXPECT_EQ(escape("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
  EXPECT_EQ(escape("é – 漢 😀"), "é – 漢 😀");
}

TEST(Escape, ReplacesWhatXmlCannotHold) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(escape(std::string("a\0b", 3)), "a" + replaced + "b");
  EXPECT_EQ(escape("\x1B[31m"), replaced + "[31m");
  EXPECT_EQ(escape("\xFF"), replaced);
  EXPECT_EQ(escape("\xE2\x88"), replaced + replaced);                 // cut short
  EXPECT_EQ(escape("\xC0\xAF"), replaced + replaced);                 // overlong
  EXPECT_EQ(escape("\xED\xA0\x80"), replaced + replaced + replaced);  // a surrogate
  EXPECT_EQ(escape("\xF4\x90\x80\x80").size(), 4 * replaced.size());  // beyond Unicode
  EXPECT_EQ(escape("\xEF\xBF\xBF").size(), 3 * replaced.size());      // U+FFFF
}

TEST(Markup, ClosesWhatItOpened) {
  Markup page;
  page.open("p", {{"class", "a\"b"}, {"id", ""}}).text("x & y").element("strong", "z").text(".").close();
  EXPECT_EQ(page.str(), "<p class=\"a&quot;b\">x &amp; y<strong>z</strong>.</p>\n");
  EXPECT_THROW(page.close(), Error);
  page.open("p");
  EXPECT_THROW(page.str(), Error);
}

TEST(Markup, BreaksNamesAfterUnderscores) {
  Markup page;
  page.breakable("a_b_").breakable("<");
  EXPECT_EQ(page.str(), "a_<wbr/>b_<wbr/>&lt;<wbr/>");
}

}  // namespace
}  // namespace coppice::train::report
