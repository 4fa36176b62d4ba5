//! Compiles the protocol with protox: no protoc to install.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=driftline");
    let files = protox::compile(["driftline/v1/stream.proto"], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), prost::Message::encode_to_vec(&files))?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
