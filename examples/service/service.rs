//! The service: articles by name, each fetched once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use caskade::{Cache, Loaded};
use tokio::net::TcpListener;

use crate::backend::{Backend, Unavailable};

/// Articles by name; `None` for a name of which it is known that there is no article.
pub(crate) type Articles = Cache<String, Option<Arc<str>>>;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Service<B> {
    articles: Articles,
    backend: Arc<B>,
}

/// How long it is remembered that there is no such article.
pub(crate) const ABSENT_FOR: Duration = Duration::from_secs(5);

impl<B: Backend> Service<B> {
    pub(crate) fn new(articles: Articles, backend: B) -> Self {
        Self { articles, backend: Arc::new(backend) }
    }

    /// The article from the cache, or else from the backend: fetched by this request, or by another
    /// that is at it.
    async fn article(&self, name: &str) -> Result<Option<Arc<str>>, Unavailable> {
        let fetch = async |name| {
            Ok(match self.backend.article(name).await? {
                Some(text) => Loaded::new(Some(text.into())),
                None => Loaded::new(None).expires_after(ABSENT_FOR),
            })
        };
        self.articles.try_get_or_load_async(name, fetch).await
    }
}

impl<B> Clone for Service<B> {
    fn clone(&self) -> Self {
        Self { articles: self.articles.clone(), backend: Arc::clone(&self.backend) }
    }
}

/// Serves whoever connects, until `end`.
pub(crate) async fn serve<B: Backend>(
    listener: TcpListener,
    service: Service<B>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let methods = get(answer::<B>).delete(forget::<B>);
    let routes = Router::new().route("/articles/{name}", methods).with_state(service);
    axum::serve(listener, routes).with_graceful_shutdown(end).await
}

/// `GET /articles/NAME`. The server drops this future if the client hangs up.
async fn answer<B: Backend>(
    State(service): State<Service<B>>,
    Path(name): Path<String>,
) -> Result<String, StatusCode> {
    match service.article(&name).await {
        Ok(Some(text)) => Ok(text.to_string()),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(Unavailable) => Err(StatusCode::BAD_GATEWAY),
    }
}

/// `DELETE /articles/NAME`: the article has changed. A fetch under way is not stored.
async fn forget<B: Backend>(
    State(service): State<Service<B>>,
    Path(name): Path<String>,
) -> StatusCode {
    service.articles.invalidate(&name);
    StatusCode::NO_CONTENT
}
