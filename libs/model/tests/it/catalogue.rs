use driftline_model::catalogue::Catalogue;

#[test]
fn the_shipped_files_are_right() {
    match Catalogue::embedded() {
        Ok(catalogue) => assert!(catalogue.types().count() >= 2),
        Err(problems) => panic!("{problems}"),
    }
}
