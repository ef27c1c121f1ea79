#include "proxy/assets.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace cordgate::proxy {
namespace {

// Every pair of text and background below has a contrast of at least 4.5:1 in
// both schemes, controls and focus rings at least 3:1 (WCAG 2.2, 1.4.3, 1.4.11).
constexpr std::string_view style = R"css(:root {
  color-scheme: light dark;
  --page: #f4f6f4;
  --card: #ffffff;
  --text: #1b2523;
  --quiet: #54625e;
  --line: #dce3df;
  --edge: #82918c;
  --accent: #0d6556;
  --accent-strong: #0a5145;
  --on-accent: #ffffff;
  --tint: #eaf3f0;
  --warm: #8a4b08;
  --warm-tint: #fbf1e3;
  --shadow: 0 1px 2px rgb(20 40 35 / 6%), 0 12px 32px rgb(20 40 35 / 8%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101615;
    --card: #18201e;
    --text: #e7edea;
    --quiet: #a3b1ac;
    --line: #2b3633;
    --edge: #6e7f79;
    --accent: #74d3bd;
    --accent-strong: #93e2cf;
    --on-accent: #0a211c;
    --tint: #1d2b28;
    --warm: #f0bd78;
    --warm-tint: #2c2418;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 12px 32px rgb(0 0 0 / 30%);
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100dvh;
  display: flex;
  flex-direction: column;
  align-items: center;
  justify-content: center;
  gap: 1.25rem;
  padding: 1.5rem 1rem;
  background: var(--page);
  color: var(--text);
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: anywhere;
}
header, main, footer { width: 100%; max-width: 34rem; }
header { display: flex; align-items: center; gap: .625rem; padding: 0 .25rem; }
header img { display: block; flex: none; }
.site { font-weight: 600; }
main {
  padding: clamp(1.5rem, 6vw, 2.5rem);
  background: var(--card);
  border: 1px solid var(--line);
  border-radius: 1rem;
  box-shadow: var(--shadow);
}
h1 {
  margin: 0 0 .75rem;
  font-size: clamp(1.5rem, 5.5vw, 1.9rem);
  line-height: 1.2;
  letter-spacing: -.015em;
  text-wrap: balance;
}
h2 { margin: 1.5rem 0 .25rem; font-size: 1rem; line-height: 1.4; }
p { margin: 0 0 .75rem; text-wrap: pretty; }
p:last-child { margin-bottom: 0; }
.mark {
  display: inline-block;
  margin: 0 0 1rem;
  padding: .125rem .7rem;
  border-radius: 1rem;
  background: var(--tint);
  color: var(--accent);
  font-size: .875rem;
  font-weight: 600;
}
.mark.warm { background: var(--warm-tint); color: var(--warm); }
code { font: .875em/1.5 ui-monospace, "SF Mono", Consolas, "Noto Sans Mono", monospace; }
.missing { margin: .5rem 0 0; padding: 0; list-style: none; }
.missing li {
  margin: 0 0 .5rem;
  padding: .5rem .875rem;
  border-left: .25rem solid var(--warm);
  border-radius: .25rem .5rem .5rem .25rem;
  background: var(--warm-tint);
}
.account {
  display: flex;
  align-items: center;
  gap: .875rem;
  margin: 1.25rem 0 0;
  padding: .75rem .875rem;
  border: 1px solid var(--line);
  border-radius: .75rem;
}
.account span { display: block; min-width: 0; line-height: 1.35; }
.account .initial {
  display: grid;
  place-items: center;
  flex: none;
  width: 3rem;
  height: 3rem;
  border-radius: 50%;
  background: var(--tint);
  font-size: 1.25rem;
  font-weight: 600;
}
.account .name { font-weight: 600; }
.account .handle { color: var(--quiet); font-size: .9375rem; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.75rem; }
.actions form { display: contents; }
.button {
  display: inline-flex;
  align-items: center;
  justify-content: center;
  min-height: 2.875rem;
  min-width: 2.875rem;
  padding: .5rem 1.25rem;
  border: 1px solid var(--edge);
  border-radius: .625rem;
  background: transparent;
  color: var(--text);
  font: inherit;
  font-weight: 600;
  line-height: 1.3;
  text-align: center;
  text-decoration: none;
  cursor: pointer;
}
.button:hover { background: var(--tint); }
.button.primary { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.button.primary:hover { border-color: var(--accent-strong); background: var(--accent-strong); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: .25rem; }
.button:focus-visible { border-radius: .625rem; }
footer { padding: 0 .25rem; color: var(--quiet); font-size: .875rem; }
@media (max-width: 30rem) {
  body { justify-content: flex-start; }
  .button { flex: 1 1 100%; }
}
@media (forced-colors: active) {
  .button, main, .account { border-color: currentcolor; }
  .button.primary { border-width: 2px; }
}
@media print {
  body { min-height: 0; }
  main { box-shadow: none; }
  .actions { display: none; }
}
)css";

// A gate with a cord across it. Presentation attributes only: the policy that
// it is served with allows no style inside the file.
constexpr std::string_view icon =
    R"svg(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">
<rect width="64" height="64" rx="15" fill="#0d6556"/>
<path d="M14 51V32a18 18 0 0 1 36 0v19" fill="none" stroke="#fff" stroke-width="5.5" stroke-linecap="round"/>
<path d="M14 35c6 13 30 13 36 0" fill="none" stroke="#f6b756" stroke-width="5" stroke-linecap="round"/>
<circle cx="14" cy="35" r="4.5" fill="#f6b756"/><circle cx="50" cy="35" r="4.5" fill="#f6b756"/>
</svg>
)svg";

// FNV-1a: tells two versions of a file apart, no more is asked of it.
constexpr std::uint64_t fingerprint(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : bytes) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash;
}

constexpr std::array<char, 16> hex(std::uint64_t value) {
    std::array<char, 16> digits{};
    for (std::size_t i = digits.size(); i-- > 0; value >>= 4) {
        digits[i] = "0123456789abcdef"[value & 15];
    }
    return digits;
}

std::string named_by_content(std::string_view stem, std::string_view body, std::string_view end) {
    const auto digits = hex(fingerprint(body));
    return std::string(stem).append(digits.data(), digits.size()).append(end);
}

const std::string style_name = named_by_content("style-", style, ".css");
const std::string style_etag = named_by_content("\"", style, "\"");
const std::string icon_name = named_by_content("icon-", icon, ".svg");
const std::string icon_etag = named_by_content("\"", icon, "\"");

const Asset table[] = {
    {style_name, "text/css; charset=utf-8", style, style_etag},
    {icon_name,  "image/svg+xml",           icon,  icon_etag },
};

}  // namespace

std::span<const Asset> assets() {
    return table;
}

const Asset* find_asset(std::string_view name) {
    for (const auto& asset : table) {
        if (asset.name == name) return &asset;
    }
    return nullptr;
}

const Asset& style_asset() {
    return table[0];
}
const Asset& icon_asset() {
    return table[1];
}

}  // namespace cordgate::proxy
