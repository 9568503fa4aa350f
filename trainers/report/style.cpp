#include <coppice/trainers/report/style.h>

#include <array>

#include <coppice/trainers/report/format.h>

namespace coppice::train::report {
namespace {

constexpr int kColours = 7;  // besides 0, the ink of `dense`
constexpr int kMarkers = 5;
constexpr std::array<const char*, 4> kDashes = {"", "6 3", "1.5 2.5", "8 3 2 3"};

const std::string* family_of(const std::string& name, const std::vector<std::string>& names) {
  const std::string* family = nullptr;
  for (const std::string& other : names) {
    std::string prefix = other;
    prefix += '_';
    if (name.starts_with(prefix) && (!family || other.size() > family->size())) family = &other;
  }
  return family;
}

}  // namespace

Styles::Styles(const std::vector<std::string>& names) : names_(names) {
  int colours = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (family_of(names[i], names)) continue;
    const bool ink = names[i] == "dense";
    const int order = ink ? 0 : colours++;
    styles_[names[i]] = {
        .colour = ink ? 0 : 1 + order % kColours, .dash = order / kColours, .marker = static_cast<int>(i) % kMarkers};
  }
  std::map<std::string, int> members;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string* family = family_of(names[i], names);
    if (!family) continue;
    while (const std::string* above = family_of(*family, names)) family = above;
    Style style = styles_[*family];
    style.dash += ++members[*family];
    style.marker = static_cast<int>(i) % kMarkers;
    styles_[names[i]] = style;
  }
}

Style Styles::operator()(const std::string& name) const {
  const auto found = styles_.find(name);
  return found == styles_.end() ? Style{} : found->second;
}

std::string colour_class(const Style& style) { return concat("c", std::to_string(style.colour)); }

std::string dash_pattern(int dash) { return kDashes[static_cast<std::size_t>(dash) % kDashes.size()]; }

// Colours: Okabe and Ito's, which stay apart for the colour-blind; yellow is darkened to be seen on white.
std::string_view style_sheet() {
  return R"css(
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f23;--soft:#59636e;--rule:#d5dae0;--shade:#f4f6f8;--good:#00714f;--bad:#b34700}
.c0{color:#1b1f23}.c1{color:#b0578d}.c2{color:#c98500}.c3{color:#00835f}.c4{color:#0068a8}.c5{color:#cc5200}.c6{color:#3a9bd1}.c7{color:#8a7a00}
@media (prefers-color-scheme:dark){
:root{--paper:#14181c;--ink:#e6e9ec;--soft:#9aa5b1;--rule:#363d45;--shade:#1d2329;--good:#3fc79a;--bad:#ff9a57}
.c0{color:#e6e9ec}.c1{color:#e08cc0}.c2{color:#f0b23c}.c3{color:#2fc295}.c4{color:#5ab0ec}.c5{color:#ff8645}.c6{color:#8fd0f5}.c7{color:#d9c93a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:16px 16px 64px}
h1{font-size:1.7rem;line-height:1.25;margin:.6em 0 .3em}h2{font-size:1.3rem;margin:2em 0 .4em;padding-top:.6em;border-top:1px solid var(--rule)}h3{font-size:1.05rem;margin:1.4em 0 .3em}
p,dl,ul{max-width:76ch;margin:.5em 0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
pre,.command{display:block;background:var(--shade);padding:8px 12px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere}
.soft{color:var(--soft)}.loud{border-left:4px solid var(--bad);background:var(--shade);padding:8px 12px;max-width:76ch}
.good{color:var(--good)}.bad{color:var(--bad)}
nav ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;padding:0;max-width:none}
a{color:inherit}
.scroll{overflow-x:auto;margin:.8em 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:3px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th[scope=row],thead th:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
tbody th[scope=rowgroup]{text-align:left;background:var(--shade);position:static}
.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:18px 26px;align-items:start}
figure{margin:0;min-width:0;max-width:560px}figcaption{font-size:.92rem;font-weight:600}figcaption .soft{font-weight:400}
.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
@media(min-width:940px){.two svg text{font-size:9px}}
figure svg{display:block;width:100%;height:auto}
svg text{fill:var(--ink);font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
svg .soft{fill:var(--soft)}svg .good{fill:var(--good)}svg .bad{fill:var(--bad)}
svg .grid{stroke:var(--rule);stroke-width:1;fill:none}svg .axis{stroke:var(--soft);stroke-width:1;fill:none}
svg .line{stroke:currentColor;stroke-width:1.8;fill:none;stroke-linejoin:round}
svg .band{fill:currentColor;opacity:.14;stroke:none}svg .fill{fill:currentColor}svg .hollow{fill:var(--paper);stroke:currentColor;stroke-width:1.6}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;padding:0;margin:.6em 0;max-width:none;font-size:.9rem}
.legend svg{width:34px;height:12px;vertical-align:middle;margin-right:6px}
.quiet{color:var(--rule)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:12px;margin:.4em 0 1em}
.pictures figcaption{font-weight:400;font-size:.8rem;overflow-wrap:anywhere}
.pictures svg{background:var(--shade);color:var(--ink)}
dt{font-weight:600;margin-top:.5em}dd{margin:0 0 0 1.2em}
details{margin:.8em 0}summary{cursor:pointer}
@media print{main{max-width:none}figure,table{break-inside:avoid}}
)css";
}

}  // namespace coppice::train::report
