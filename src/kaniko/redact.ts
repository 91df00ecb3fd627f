/** Takes secrets out of text before it leaves the build. Pure. */

const patterns: readonly RegExp[] = [
  // user:password@host in URLs
  /(?<=:\/\/)[^/\s:@]+:[^/\s@]+(?=@)/g,
  /(?<=\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}/gi,
  /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|npm_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{16,})\b/g,
  // NPM_TOKEN=…, "password": "…"; not a path that ends in such a word
  /(?<=(?<![\w./-])[\w.-]*(?:password|passwd|token|secret|api[_-]?key)["']?\s*[=:]\s*["']?)[^\s"',;&]{4,}/gi,
  // Docker's credentials file
  /(?<="auth"\s*:\s*")[^"]+/g,
];

export function redact(lines: readonly string[]): string[] {
  return lines.map((line) => patterns.reduce((text, pattern) => text.replaceAll(pattern, '***'), line));
}
