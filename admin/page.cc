// SPDX-License-Identifier: Apache-2.0
#include "admin/page.h"

namespace banyan::admin {

std::string start_page() {
  return R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Banyan admin</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
code,pre{font-family:ui-monospace,monospace;background:#f2f2f2;padding:.1em .3em}
pre{padding:.6em;overflow-x:auto}</style></head><body>
<h1>Banyan admin port</h1>
<p>This port speaks JSON under <code>/api/v1</code>. Every request but <code>/livez</code>,
<code>/readyz</code> and <code>/metrics</code> carries <code>Authorization: Bearer TOKEN</code>; the token
is in <code>admin.token</code> of the data directory.</p>
<pre>curl -H "Authorization: Bearer $(cat banyan-data/admin.token)" http://127.0.0.1:9901/api/v1/status</pre>
<p>The command line finds the token by itself: <code>banyan status -c banyan.toml</code>.</p>
<h2>Resources</h2>
<ul>
<li><code>GET status</code> &middot; <code>GET ledger</code> &middot; <code>GET events</code></li>
<li><code>GET routes</code>, <code>GET|PATCH routes/{name}</code>, <code>POST routes/{name}/rollback</code>,
<code>POST routes/{name}/reset</code>, <code>POST rollback</code>, <code>GET routes/history</code>,
<code>GET|POST routes/explain</code></li>
<li><code>GET findings</code>, <code>GET|PATCH findings/{id}</code>, <code>GET exchanges/{id}</code>,
<code>GET log</code>, <code>GET report</code></li>
<li><code>GET|POST replays</code>, <code>GET|DELETE replays/{id}</code>,
<code>POST replays/{id}/resume</code></li>
<li><code>POST mirror/pause</code>, <code>POST mirror/resume</code></li>
</ul></body></html>
)html";
}

}  // namespace banyan::admin
