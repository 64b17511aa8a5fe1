import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/queries";
import "./app.css";
import { router } from "./router";
import { applyTheme, useApp } from "./store";
import { Gate } from "./views/Gate";

applyTheme(useApp.getState().theme);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queryClient}>
        <Gate><RouterProvider router={router} /></Gate>
      </QueryClientProvider>
    </StrictMode>,
  );
}
