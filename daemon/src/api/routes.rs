//! Routes with their rules: a handler cannot be reached but by a route of the table, which says who may use it.

use crate::daemon::Daemon;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use c2b_api::route::{Route, Verb};
use std::collections::HashMap;
use std::sync::Arc;

/// The routes by method and path.
pub(super) type Rules = HashMap<(Method, &'static str), &'static Route>;

/// The routes.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Arc<Daemon>>,
    pub(super) rules: Rules,
}

impl Routes {
    /// Adds a route with what answers it.
    pub(super) fn on<T: 'static>(mut self, route: &'static Route, handler: impl Handler<T, Arc<Daemon>>) -> Self {
        let (method, filter) = match route.verb {
            Verb::Get => (Method::GET, MethodFilter::GET),
            Verb::Post => (Method::POST, MethodFilter::POST),
            Verb::Put => (Method::PUT, MethodFilter::PUT),
            Verb::Delete => (Method::DELETE, MethodFilter::DELETE),
        };
        self.rules.insert((method, route.path), route);
        self.router = self.router.route(route.path, on(filter, handler));
        self
    }
}
