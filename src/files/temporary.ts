/**
 * Names that editors and tools give to files they are about to remove or rename. While they exist they are files like
 * any others, and Docker would send them; but that they come and go is no reason to build.
 */
const temporary: readonly RegExp[] = [
  // vim: swap files, the test for a writable directory; emacs and others: backups, autosaves, locks
  /\.sw[pox]$/,
  /^4913$/,
  /~$/,
  /^#.*#$/,
  /^\.#/,
  // written beside the file and renamed to it: tools that name the process and the time, GLib, JetBrains, macOS
  /\.tmp\.\d+\.\d+$/,
  /^\.goutputstream-/,
  /___jb_(?:tmp|old)___$/,
  /\.sb-[^.]+$/,
];

export function isTemporary(name: string): boolean {
  return temporary.some((pattern) => pattern.test(name));
}
