//! What is let through and what is not, by cases.

use super::{Refused, Statement, read_only, split, statement};

#[test]
fn reading_is_let_through() {
    for sql in [
        "SELECT 1",
        "select 1;",
        "select 1 ; ; -- end",
        "/* a */ WITH x AS (SELECT 1) SELECT * FROM x",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SHOW TABLES",
        "describe table drifts",
        "EXPLAIN SELECT 1",
        "SELECT 'it''s; \\' DROP TABLE x', \"a;b\", `c;d` FROM t",
        "SELECT count() FROM drifts WHERE path = 'file' AND format = 1",
        "SELECT format('{}', a) FROM t",
        "SELECT 'наивно', '“curly”'",
    ] {
        assert!(read_only(sql).is_ok(), "{sql}: {:?}", read_only(sql));
    }
}

#[test]
fn anything_else_is_refused() {
    for sql in [
        "",
        " -- nothing",
        ";",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE drifts",
        "DROP TABLE drifts",
        "INSERT INTO drifts SELECT 1",
        "WITH 1 AS a INSERT INTO t SELECT a",
        "EXPLAIN AST INSERT INTO t FORMAT CSV\n\nDROP TABLE t",
        "SYSTEM SHUTDOWN",
        "exit",
        "SET readonly = 0",
        "USE system",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 INTO /* a */ outfile '/tmp/x'",
        "SELECT 1 FORMAT JSON",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT \"FILE\"('/etc/passwd')",
        "SELECT `fil\\x65`('/etc/passwd')",
        "SELECT * APPLY(file) FROM t",
        "SELECT * FROM file('/etc/passwd')",
        "SELECT * FROM executable('x', 'TSV', 'a String')",
        "SELECT x'41\\' ; DROP TABLE t; --'",
        "SELECT 'a'b",
        "SELECT $a$ ' $a$; DROP TABLE t -- '",
        "SELECT 1 # ' \n; DROP TABLE t -- '",
        "SELECT 1 // ' \n; DROP TABLE t -- '",
        "SELECT ‘a‘",
        "SELECT 'open",
        "SELECT /* open",
        "SELECT 1 \\G",
        "SELECT 1\0; DROP TABLE t",
    ] {
        assert!(read_only(sql).is_err(), "let through: {sql}");
    }
}

#[test]
fn an_insert_is_cut_where_its_data_begin() {
    let insert = |head: &str, format: &str, inline: &str| {
        Ok(Statement::Insert { head: head.into(), format: format.into(), inline: inline.into() })
    };
    for (sql, expect) in [
        ("INSERT INTO t(a, b) FORMAT RowBinary", insert("INSERT INTO t(a, b)", "RowBinary", "")),
        ("insert /* x */ into t format CSV ;", insert("insert into t", "CSV", "")),
        ("INSERT INTO t (a) VALUES (1), ('x;\n\ny')", insert("INSERT INTO t (a)", "Values", " (1), ('x;\n\ny')")),
        ("INSERT INTO t SELECT 1", Ok(Statement::Plain("INSERT INTO t SELECT 1".into()))),
        ("SELECT 1 -- c\n + 1", Ok(Statement::Plain("SELECT 1 + 1".into()))),
    ] {
        assert_eq!(statement(sql), expect, "{sql}");
    }
    for sql in [
        "INSERT INTO t FORMAT CSV\n1,2\n\nDROP TABLE t",
        "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        "INSERT INTO t SETTINGS a = 1 FORMAT CSV",
        "INSERT INTO FUNCTION file('x') SELECT 1",
        "SYSTEM SHUTDOWN",
        "SET a = 1",
        "ATTACH TABLE t",
    ] {
        assert!(statement(sql).is_err(), "let through: {sql}");
    }
}

#[test]
fn a_migration_is_cut_into_statements() {
    let parts = split("-- one; two\nCREATE TABLE a (b String DEFAULT ';');\n\n/* ; */ SELECT 1;\n");
    assert_eq!(parts, Ok(vec!["CREATE TABLE a (b String DEFAULT ';')".to_owned(), "SELECT 1".to_owned()]));
    assert_eq!(split(" -- nothing\n"), Ok(Vec::new()));
    assert!(matches!(split("SELECT 'x"), Err(Refused::Unreadable { at: 7, .. })));
}
