//! Tests of the AWS client against the official cases, cut answers and moto.
