//! Apache Kafka in KRaft mode, one node.
