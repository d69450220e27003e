/**
 * A knip reporter that says how many files were looked at. Without it, a configuration that matches nothing would look
 * like a workspace in which nothing is unused.
 */
export default function reportCount({ counters }) {
  console.log(`knip saw ${counters.processed} files`);
}
