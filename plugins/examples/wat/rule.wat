;; A rule to start from: mail from listed domains is not imported, mail of
;; mailing lists gets a label. `smtp-sync plugin pack` makes a module of it, and
;; so does wat2wasm. The rules that ship (plugins/shipped/rules) are more of the kind.
(module
  (import "smtpsync_v1" "field" (func $field (param $id i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "config" (func $config (param $key i32) (param $len i32) (param $buf i32) (param $cap i32) (result i32)))
  (import "smtpsync_v1" "in_list" (func $in_list (param $field i32) (param $key i32) (param $len i32) (result i32)))
  (import "smtpsync_v1" "label" (func $label (param $at i32) (param $len i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "domains")
  (data (i32.const 8) "under")

  ;; The label is built at 1024: "Lists/" once, the id for each message.
  (global $under (mut i32) (i32.const 0))

  (func (export "configure_v1") (result i32)
    (local $n i32)
    (local.set $n (call $config (i32.const 8) (i32.const 5) (i32.const 1024) (i32.const 100)))
    (if (i32.lt_s (local.get $n) (i32.const 0))
      (then (local.set $n (i32.const 0))))
    (i32.store8 offset=1024 (local.get $n) (i32.const 0x2f)) ;; /
    (global.set $under (i32.add (local.get $n) (i32.const 1)))
    (i32.const 0))

  (func (export "filter_v1") (result i64)
    (local $n i32)
    (if (i32.eq (call $in_list (i32.const 1) (i32.const 0) (i32.const 7)) (i32.const 1)) ;; 1: from_domain
      (then (return (i64.const 0x1_0000_0001)))) ;; reason 1, skip
    (local.set $n (call $field (i32.const 4) (i32.add (i32.const 1024) (global.get $under)) (i32.const 998))) ;; 4: list_id
    (if (i32.le_s (local.get $n) (i32.const 0))
      (then (return (i64.const 0))))
    (if (call $label (i32.const 1024) (i32.add (global.get $under) (local.get $n)))
      (then (return (i64.const 0))))
    (i64.const 0x2_0000_0000))) ;; reason 2
