//! stub
/// Functions
pub trait Functions {}
impl Functions for f32 {}
impl Functions for f64 {}
