// A rule to start from: mail from listed domains is not imported, mail of
// mailing lists gets a label. ../../sdk/assemblyscript/smtpsync.ts says how to
// build it.
import { FROM_DOMAIN, LIST_ID, KEEP, SKIP, because, config, field, inList, label } from "./smtpsync";

// What configure_v1 keeps is there for each message.
let under = "";

export function configure_v1(): i32 {
  const text = config("under");
  under = (text ? text : "") + "/";
  return 0;
}

export function filter_v1(): u64 {
  if (inList(FROM_DOMAIN, "domains")) return SKIP | because(1);
  const id = field(LIST_ID);
  if (id && label(under + id)) return KEEP | because(2);
  return KEEP;
}
